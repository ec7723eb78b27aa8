"""A counter's gateway struck while it is logged in."""
