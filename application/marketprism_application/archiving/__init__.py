"""Moving partitions between the hot store and cold files, and reading both as one."""
