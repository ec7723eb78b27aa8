"""A thin layer over nats-py 2.16: what its high-level API does slowly or wrongly is done by hand here."""
