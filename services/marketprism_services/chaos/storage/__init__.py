"""Storage, ClickHouse or NATS struck while a range is open."""
