"""Reads a source while it leads, and follows operators' orders."""
