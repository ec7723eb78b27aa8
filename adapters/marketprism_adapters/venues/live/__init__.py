"""Connections to venues: sockets, subscriptions, requests, books. It knows no venue by name."""
