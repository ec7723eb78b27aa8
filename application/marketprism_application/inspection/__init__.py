"""Recordings looked at: what is in them, and what is wrong with it."""
