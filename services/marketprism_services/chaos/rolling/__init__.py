"""Services restarted in turn while the market runs."""
