"""A made-up market that trades by the exchanges' sessions."""
