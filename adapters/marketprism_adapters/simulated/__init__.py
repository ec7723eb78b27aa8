"""A venue that does not exist: deterministic by seed, with every fault on request."""
