"""Central configuration as people change it: checked by every instance, stored, confirmed, taken back."""
