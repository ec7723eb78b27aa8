"""One folder per crypto venue; `registry.py` has a row for each of their markets."""
