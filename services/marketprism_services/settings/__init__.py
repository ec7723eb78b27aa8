"""Settings: declared by their owners, gathered here."""
