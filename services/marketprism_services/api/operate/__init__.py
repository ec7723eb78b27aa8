"""What operators see and do: the system, commands, dead letters, events."""
