"""Bytes of files: their digest, and a file that is taken from while it is written."""
