"""Checks of stored and imported series: rows held against what must be there, in columns."""
