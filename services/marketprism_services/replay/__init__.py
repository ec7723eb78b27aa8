"""Stored records sent again."""
