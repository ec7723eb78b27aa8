"""What must be there of a series, and what was found of it."""
