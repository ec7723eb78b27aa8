"""Parsers, codecs and readers under inputs that nobody would write, chosen by which lines they reach."""
