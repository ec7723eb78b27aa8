"""The model: market data, quality, bars, calendars. Standard library only, no clock reads, no I/O."""
