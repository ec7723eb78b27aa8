"""Every source by its name."""
