"""Files of rows that other programs and venues write: a reader a format, recognised by content."""
