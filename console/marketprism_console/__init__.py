"""The web console: files that a browser loads, read once and served from memory. Nothing is built."""

from marketprism_console.files import Asset, Console, read_console

__all__ = ["Asset", "Console", "read_console"]
