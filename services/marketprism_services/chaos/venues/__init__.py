"""Simulated crypto venues with faults, and an audit of what was published."""
