"""Makers that several services share."""
