"""Prometheus and its Alertmanager beside a pipeline, on one machine."""
