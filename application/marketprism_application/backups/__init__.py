"""Backups: made, found again, thinned out, checked and restored."""
