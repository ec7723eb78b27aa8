"""Deterministic simulation: the product's own code on a simulated clock, network and nats-server, under one seed.

`python -m tests.simulation` runs schedules; `--seed N` repeats one of them step by step. See docs/proof.md.
"""
