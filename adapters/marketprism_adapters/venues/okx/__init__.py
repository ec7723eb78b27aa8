"""OKX v5: spot, perpetual swaps, futures and options."""
