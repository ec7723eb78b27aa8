"""What services offer by themselves, found in the registry: their requests at this door, their commands."""
