"""A live counter as a market source."""
