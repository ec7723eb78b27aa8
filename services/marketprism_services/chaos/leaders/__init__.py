"""Leaders killed, frozen and cut off, and how soon they are replaced."""
