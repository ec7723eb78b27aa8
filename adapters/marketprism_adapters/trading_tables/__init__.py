"""Reference tables of orders: files of this package and of a folder of the user's own, and importers of venues' lists."""
