"""The hours that the venue overruled, as the log of events has them: what must be there of those days is by these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pyarrow as pa

from marketprism_application.contracts.questions import Question
from marketprism_application.queries.tick_history import session_changes
from marketprism_domain.sessions.calendar import MarketCalendar


async def overruled(
    ask: Callable[[Question], Awaitable[pa.Table]], calendar: MarketCalendar, venue: str, symbol: str, ts_from: int
) -> MarketCalendar:
    """The calendar, as the venue overruled it for the product of an instrument on days from an instant on: one of its
    own where anything was overruled, else the same. Raises what `ask` raises.
    """
    changes = await session_changes(ask, venue, symbol, ts_from)
    if not changes:
        return calendar
    own = calendar.copy()
    for change in changes:
        own.overrule(change)
    return own


__all__ = ["overruled"]
