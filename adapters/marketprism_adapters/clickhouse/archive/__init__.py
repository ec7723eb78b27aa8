"""The engine's side of the archive: what a table's rows are made of, hot and cold, and how they are moved."""
