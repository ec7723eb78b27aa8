"""Witnesses of stored bars: a venue's history, stored trades and ticks, a file."""
