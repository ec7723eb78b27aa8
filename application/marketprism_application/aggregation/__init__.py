"""Bars of validated ticks, one partition at a time."""
