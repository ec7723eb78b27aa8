"""Models of lease, fence and shards, every state of which is visited; see docs/proof.md.

`python -m tests.model` runs them.
"""
