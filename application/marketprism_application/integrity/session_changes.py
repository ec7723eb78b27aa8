"""The hours that the venue overruled, as the log of events has them: what must be there of those days is by these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pyarrow as pa

from marketprism_application.contracts.kinds import EVENT
from marketprism_application.contracts.questions import MAX_LIMIT, Question, Records
from marketprism_application.queries.paging import all_pages
from marketprism_domain.events.sessions import TradingHoursOverruled
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY

_NAME = TradingHoursOverruled.__name__
_FIELDS = tuple(dict.fromkeys((*EVENT.page_key, "name", "data")))


async def overruled(
    ask: Callable[[Question], Awaitable[pa.Table]], calendar: MarketCalendar, venue: str, symbol: str, ts_from: int
) -> MarketCalendar:
    """The calendar, as the venue overruled it for the product of an instrument on days from an instant on: one of its
    own where anything was overruled, else the same.

    An event is stored when it is told: live within the section, by a replay at any time after it. Raises what `ask`
    raises.
    """
    if not is_chinese(venue):
        return calendar
    product = product_of(symbol).lower()
    changes: list[SessionChange] = []
    # Events of a product are of no instrument: their symbol is empty.
    question = Records(EVENT.name, "", venue, max(0, ts_from - NANOS_PER_DAY), limit=MAX_LIMIT, fields=_FIELDS)
    async for page in all_pages(ask, question):
        for row in page.to_pylist():
            if row["name"] == _NAME:
                change = _change_of(venue, row["data"])
                if change is not None and change.product.lower() == product:
                    changes.append(change)
    if not changes:
        return calendar
    own = calendar.copy()
    for change in changes:
        own.overrule(change)
    return own


class _Section(msgspec.Struct, frozen=True):
    """What of the event's own fields says which section it is; the venue is that of its record."""

    product: str
    trading_day: str
    ts_open: int
    ts_close: int


def _change_of(venue: str, data: str) -> SessionChange | None:
    """The section that an event tells of, None where it is not one that can be."""
    try:
        told = msgspec.json.decode(data, type=_Section)
    except msgspec.MsgspecError:
        return None
    if told.ts_close <= told.ts_open:
        return None
    return SessionChange(venue, told.product, told.trading_day, told.ts_open, told.ts_close)


__all__ = ["overruled"]
