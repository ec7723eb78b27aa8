"""Order books: levels, and how snapshots and deltas become one."""
