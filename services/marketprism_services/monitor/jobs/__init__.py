"""Jobs that the monitor does when the scheduler says so: looks at everything that runs, and at what venues sent."""
