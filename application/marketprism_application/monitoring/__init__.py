"""Whether everything that was put in came out."""
