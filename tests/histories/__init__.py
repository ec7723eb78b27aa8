"""Histories of real clusters under faults, and the checkers that judge them (docs/proof.md)."""
