"""Bars: built from ticks, cascaded to longer intervals, by activity, over contract rolls."""
