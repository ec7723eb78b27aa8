"""Fault trials with real processes and real servers; `marketprism chaos` runs them."""
