"""Defects of stored series: whose they are, and how they are mended by revisions."""
