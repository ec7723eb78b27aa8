"""Ticks validated, one partition at a time."""
