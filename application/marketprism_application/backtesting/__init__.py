"""Backtests: a strategy over stored rows, with the live code's bars, sessions and gaps, and fills that can be proved."""
