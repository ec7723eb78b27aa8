"""Reference tables of orders: files of this package, those of a folder of the user's own, and importers."""
