"""Stored ticks sent again."""
