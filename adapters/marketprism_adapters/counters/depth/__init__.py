"""Depth snapshots of the counters as messages."""
