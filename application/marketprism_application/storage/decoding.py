"""From the messages of a stream to rows of tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import KINDS, TICK, VENUE_KINDS, DataKind
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.ports.storage import DeadRow, RangeMessage, StreamPlace

PACKED_PREFIX = "market.packed."


class Rows(NamedTuple):
    rows: list[Any]
    places: list[StreamPlace]


class Decoded(NamedTuple):
    """Rows of a range by kind, and what could not be read."""

    by_kind: dict[str, Rows]
    dead: list[DeadRow]
    total: int


def decode_messages(stream: str, messages: Sequence[RangeMessage]) -> Decoded:
    """Rows of stream messages; a message that is not what its subject says is set aside with the reason."""
    by_kind: dict[str, Rows] = {}
    dead: list[DeadRow] = []
    count = 0
    for message in messages:
        try:
            kind, rows = _rows_of(message)
        except ContractError as error:
            dead.append(DeadRow(stream, message.seq, 0, str(error), message.data, subject=message.subject))
            continue
        target = by_kind.setdefault(kind.name, Rows([], []))
        target.rows.extend(rows)
        target.places.extend(StreamPlace(message.seq, index) for index in range(len(rows)))
        count += len(rows)
    return Decoded(by_kind, dead, count)


_PREFIXES = {kind.subject.split("{", 1)[0]: kind for kind in KINDS.values() if kind not in VENUE_KINDS}
# Behind venue and symbol: what a venue's subject ends with, or begins its end with.
_SUFFIXES = {kind.subject.split("{symbol}.", 1)[1].split(".{", 1)[0]: kind for kind in VENUE_KINDS}


@lru_cache(maxsize=65_536)
def venue_kind_of(subject: str) -> DataKind | None:
    """Kind of a message of MARKET_DATA, None for other subjects."""
    parts = subject.split(".", 3)
    if len(parts) < 4 or any(subject.startswith(prefix) for prefix in _PREFIXES):
        return None
    suffix = parts[3]
    return _SUFFIXES.get(suffix) or _SUFFIXES.get(suffix.split(".", 1)[0])


def _rows_of(message: RangeMessage) -> tuple[DataKind, Sequence[Any]]:
    if message.subject.startswith(PACKED_PREFIX):
        return TICK, decode_packed(message.data).ticks
    of_venue = venue_kind_of(message.subject)
    if of_venue is not None:
        return of_venue, (decode(of_venue, message.data),)
    for prefix, kind in _PREFIXES.items():
        if message.subject.startswith(prefix):
            return kind, (decode(kind, message.data),)
    raise ContractError(f"subject {message.subject}: expected one of a known kind")
