"""Downloads of history: a job, its parts, who fetches them, and how far they are."""
