"""Passwords, keys and tokens: how whoever asks shows who it is."""
