"""Instrument lists: a row that cannot be read leaves out that one instrument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from marketprism_adapters.venues.kit.numbers import UNREADABLE, unreadable
from marketprism_application.venues.protocol import Answer, FrameParser, ParseRefused, RestRequest
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.values import InstrumentId

T = TypeVar("T")
_SHOWN = 120


def listed(
    rows: Sequence[msgspec.Raw],
    row_type: type[T],
    record: Callable[[T], InstrumentRecord],
    parser: FrameParser,
    where: str,
    more: Sequence[RestRequest] = (),
) -> Answer:
    """The instruments of an answer, which the parser learns; `refused` names the rows that are none.

    Raises:
        ParseRefused: there are rows, and not one can be read.
    """
    found: list[InstrumentRecord] = []
    refused: list[str] = []
    reason = ""
    for row in rows:
        try:
            item = record(msgspec.json.decode(row, type=row_type))
            InstrumentId.of(item.venue, item.symbol)
            found.append(item)
        except (ParseRefused, *UNREADABLE) as error:
            refusal = _refusal(error, where)
            reason = reason or refusal.reason
            refused.append(f"{refusal} in {bytes(row)[:_SHOWN].decode(errors='replace')}")
    if refused and not found:
        raise ParseRefused(reason, f"{where}: expected instruments, none can be read: {refused[0]}")
    parser.learn(found)
    return Answer(instruments=found, refused=refused, more=more)


def _refusal(error: Exception, where: str) -> ParseRefused:
    if isinstance(error, InvalidValue):
        return ParseRefused("field", f"{where}: {error}")
    return error if isinstance(error, ParseRefused) else unreadable(error, where)
