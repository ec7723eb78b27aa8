"""The processes: settings, wiring, runtime, command line."""
