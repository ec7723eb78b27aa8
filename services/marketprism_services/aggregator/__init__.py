"""Bars of validated ticks."""
