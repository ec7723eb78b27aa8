"""A venue's gateway struck while it reads."""
