"""Programs that read what is stored with other libraries: pandas, polars, DuckDB, clickhouse-driver."""
