"""ClickHouse server: Arrow over HTTP, and a server of one's own for one machine."""
