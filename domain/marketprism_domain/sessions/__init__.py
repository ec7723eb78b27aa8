"""Trading sessions: calendars, trading days, phases, hours of exchanges and of connections."""
