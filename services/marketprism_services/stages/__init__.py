"""What validator and aggregator share."""
