"""Recordings played again: pace, and bars made anew."""
