"""Backtests: a strategy over stored rows, with the live code's bars, sessions and gaps; fills can be proved."""
