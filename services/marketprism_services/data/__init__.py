"""The data service: downloads, checks, rechecks and repairs of stored series, as jobs."""
