"""Recordings of venues: found, told apart, joined to runs, inspected, replayed."""
