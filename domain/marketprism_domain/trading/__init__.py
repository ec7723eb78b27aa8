"""What an order costs, what it may be, and where a position is liquidated: pure functions on exact decimals."""
