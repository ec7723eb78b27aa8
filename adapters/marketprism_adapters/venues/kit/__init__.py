"""What every venue's folder builds on."""
