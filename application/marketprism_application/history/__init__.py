"""Rows of the past, from files into the store and out of it again."""
