"""Validators and aggregators struck while they own partitions."""
