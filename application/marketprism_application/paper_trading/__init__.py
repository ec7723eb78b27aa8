"""Strategies on rows that come one after another, live or replayed: the engine of backtests, driven by what arrives."""
