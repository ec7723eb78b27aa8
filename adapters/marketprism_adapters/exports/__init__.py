"""Stored rows as the files that other programs read; a module a program."""
