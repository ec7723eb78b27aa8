"""What the application needs from the world, each port at most seven methods."""
