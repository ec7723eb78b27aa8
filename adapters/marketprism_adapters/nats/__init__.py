"""NATS and JetStream: streams, stages, repositories over the SDK's NATS layer."""
