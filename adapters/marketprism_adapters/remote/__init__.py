"""The read port over the wire: the engine is in another process."""
