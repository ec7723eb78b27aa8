"""A live book on the wire."""

from __future__ import annotations

MAX_DEPTH = 10_000
