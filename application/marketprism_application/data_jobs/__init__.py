"""Jobs of the data service: what a request comes to, how a job follows its tasks, what is shown of it."""
