"""Ranges as venues are asked for them."""

from __future__ import annotations

_NANOS_PER_MS = 1_000_000


def first_ms(ts_from: int) -> int:
    """The first whole millisecond at or after a moment in nanoseconds."""
    return -(-ts_from // _NANOS_PER_MS)


def last_ms(ts_to: int) -> int:
    """The last whole millisecond before a moment in nanoseconds, for ends that are part of a range."""
    return (ts_to - 1) // _NANOS_PER_MS


__all__ = ["first_ms", "last_ms"]
