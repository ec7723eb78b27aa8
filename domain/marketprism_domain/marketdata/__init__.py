"""One module per kind of market data."""
