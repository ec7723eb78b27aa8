"""What a job has found wrong, as its output keeps it and as the text of its failure says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

SHOWN: Final = 3  # named in the text of a failure
MOST_LISTED: Final = 200  # symbols in an output; what there are more of is counted
MOST_FINDINGS: Final = 50


class Finding(msgspec.Struct, frozen=True):
    """`what` kind of thing is wrong (`instance`, `leader`, `stream` …), `where`, and in words how."""

    what: str
    where: str
    text: str


def first_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def by_venue(names: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Symbols by venue of (venue, symbol), in order, as many as an output lists."""
    found: dict[str, list[str]] = {}
    for venue, symbol in sorted(names)[:MOST_LISTED]:
        found.setdefault(venue, []).append(symbol)
    return found


__all__ = ["MOST_FINDINGS", "MOST_LISTED", "SHOWN", "Finding", "by_venue", "first_of"]
