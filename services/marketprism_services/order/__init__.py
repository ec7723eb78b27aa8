"""Order service: what an order costs, how large it may be, and where it is liquidated."""
