"""What the connections of one opening of a live source missed: while none was there, and when its queue had no room."""

from __future__ import annotations

from collections.abc import MutableMapping
from decimal import Decimal
from typing import TypeVar

from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.state import Interruption

Key = TypeVar("Key")
_Instrument = tuple[str, str]  # venue and symbol: two exchanges may number a share alike


class Losses:
    """Gaps of every instrument, each told before the first tick after it.

    What lies between two openings of the source is not told here: the log shows it, whoever opens the source next.
    """

    def __init__(self, calendar: MarketCalendar, source: str) -> None:
        self._calendar = calendar
        self._source = source
        self._last: dict[_Instrument, tuple[int, Decimal | None]] = {}  # event time and volume of each one's last tick
        self._missing_since: dict[_Instrument, tuple[int, Decimal | None]] = {}
        self._lost_at = 0
        self.back_at = 0

    def opened(self, ts: int) -> None:
        """The first connection is there."""
        self.back_at = ts

    def all_lost(self, ts: int) -> None:
        """From here on every instrument may miss something, until its next tick says how much."""
        self._lost_at = ts
        for instrument, seen in self._last.items():
            self._missing_since.setdefault(instrument, seen)

    def back(self, ts: int) -> None:
        """A connection is there again."""
        self.back_at = ts

    def forget(self) -> None:
        """The source is closed."""
        self._last.clear()
        self._missing_since.clear()

    def before(self, tick: Tick, clock: int, no_room: MutableMapping[Key, int], key: Key) -> Gap | None:
        """What was missing of an instrument before this tick of it; `no_room` says since when ticks were dropped, by
        what the instrument's `key` is there, which is taken out once it is told."""
        instrument = (tick.venue, tick.symbol)
        last, _ = self._last.get(instrument, (tick.ts_event, None))
        self._last[instrument] = seen = (tick.ts_event, tick.volume)
        dropped_at = no_room.get(key)
        if dropped_at is not None and tick.ts_recv > dropped_at:
            del no_room[key]
            return self._gap(tick, clock, last, "queue_full") if tick.ts_event > last else None
        known = self._missing_since.get(instrument)
        if known is None:
            return None
        since = known[0]
        if tick.ts_event <= since:
            # A login brings the newest snapshot there is. When that is the one we have, nothing came after it.
            if seen == known:
                del self._missing_since[instrument]
            return None
        del self._missing_since[instrument]
        schedule = self._calendar.schedule(tick.venue, tick.symbol)
        bounds = Interruption(since, self._lost_at, self.back_at).bounds(schedule, tick.ts_event)
        return None if bounds is None else self._gap(tick, clock, bounds[0], "disconnected")

    def _gap(self, tick: Tick, clock: int, since: int, cause: str) -> Gap:
        return Gap(
            tick.venue,
            tick.symbol,
            self._source,
            0,
            0,
            tick.ts_event,
            clock,
            0,
            since,
            tick.ts_event,
            cause,
            tick.trading_day,
        )


__all__ = ["Losses"]
