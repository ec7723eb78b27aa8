"""Scheduler: runs jobs at their times, each due time once, whoever leads."""
