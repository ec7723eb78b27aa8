"""Recorded market data: formats, readers and the replay source."""
