"""What every ClickHouse engine shares: schema, migrations, queries, columns."""
