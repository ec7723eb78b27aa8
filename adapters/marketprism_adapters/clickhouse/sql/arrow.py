"""pyarrow, loaded before somebody waits for it."""

from __future__ import annotations


def load_arrow() -> None:
    """Import pyarrow, and what its first array imports: pandas, where it is installed. Both together hold a process up
    for some 0.3 s; a leader that writes its first rows has no time for that."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    pa.array([0])


__all__ = ["load_arrow"]
