"""Domain events by what they are about, and their registry."""
