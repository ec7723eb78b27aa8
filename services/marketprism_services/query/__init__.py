"""Answers questions about stored and recent data, over RPC and HTTP."""
