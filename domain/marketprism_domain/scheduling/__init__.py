"""Jobs at their times: what triggers them, what they wait for, and what became of each run."""
