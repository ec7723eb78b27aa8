"""Counts what was put in against what came out."""
