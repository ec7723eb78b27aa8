"""Bars of history by columns: what the builder of bars makes of ticks one by one, made of many at once."""
