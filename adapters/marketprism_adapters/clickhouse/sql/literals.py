"""Text as it stands inside a statement."""

from __future__ import annotations


def quoted(text: str) -> str:
    """Text between quotes in a statement; only what this program made: paths, tokens, names and types of columns."""
    return text.replace("\\", "\\\\").replace("'", "\\'")
