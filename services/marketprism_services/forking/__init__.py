"""Processes that begin as forks of one that has loaded what they need; what they become is the caller's."""
