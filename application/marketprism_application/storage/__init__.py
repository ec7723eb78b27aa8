"""Streams into the store, exactly once."""
