"""Checks, scores and numbers ticks."""
