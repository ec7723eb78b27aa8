"""The front door: HTTP, WebSocket and who may do what, in front of every service."""
