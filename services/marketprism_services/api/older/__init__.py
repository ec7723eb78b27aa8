"""Older paths of requests: answered as those that stand in their place, with headers that say which these are."""
