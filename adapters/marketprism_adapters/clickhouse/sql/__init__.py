"""Statements and the rows that they take."""
