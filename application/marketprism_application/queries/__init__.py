"""Questions about stored and recent data, answered."""
