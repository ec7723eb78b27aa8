"""The same task in other engines: one file a peer, run by an interpreter that has it."""
