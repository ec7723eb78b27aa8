"""How the rows of a unit are cut into files: by symbol, in the order of the table's key."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from marketprism_application.contracts.archive_records import InstrumentRows
from marketprism_application.ports.archive import Slice


def slices_of(instruments: Sequence[InstrumentRows], most_rows: int) -> list[Slice]:
    """Slices of at most so many rows, or of one symbol that has more; by symbol."""
    found: list[Slice] = []
    rows = 0
    for symbol, group in groupby(sorted(instruments), key=lambda each: each.symbol):
        more = sum(each.rows for each in group)
        if found and rows + more <= most_rows:
            found[-1] = Slice(found[-1].first, symbol)
            rows += more
        else:
            found.append(Slice(symbol, symbol))
            rows = more
    return found


__all__ = ["slices_of"]
