"""Writes every stream into the store while it leads, and answers for it."""
