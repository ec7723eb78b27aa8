"""chDB: ClickHouse inside the process, for one machine."""
