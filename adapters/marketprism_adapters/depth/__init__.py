"""Depth messages of Chinese counters, from a recording or from the API: field by field into ticks."""
