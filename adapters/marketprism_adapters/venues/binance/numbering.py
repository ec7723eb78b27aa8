"""Which of its two streams, `trade` or `aggTrade`, tells the trades of an instrument: each counts them by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marketprism_application.venues.protocol import Control, Item

TRADES = frozenset({"trade", "aggTrade"})
OTHER: Sequence[Item] = (Control("ignored", "", "trades that another stream tells, in other numbers"),)
Handler = Callable[[bytes, int], Sequence[Item]]

SILENT_NS = 10_000_000_000


class _Chosen:
    __slots__ = ("event", "passed_since")

    def __init__(self, event: str) -> None:
        self.event = event
        self.passed_since = 0  # receive time of the first trade of the other stream that the chosen one has not told


class Numbering:
    """The stream that came first tells, so that each trade is told once. When it has ended and the other goes on, that
    one tells from there on."""

    def __init__(self) -> None:
        self._chosen: dict[str, _Chosen] = {}

    def tells(self, native: str, event: str, items: Sequence[Any], ts_recv: int) -> bool:
        """Whether these trades of a stream are to be told. What is off the book is in no aggregate: it says nothing."""
        chosen = self._chosen.get(native)
        if chosen is None:
            self._chosen[native] = _Chosen(event)
            return True
        if chosen.event == event:
            chosen.passed_since = 0
            return True
        if not ts_recv or (items and items[0].off_book):
            return False
        if not chosen.passed_since:
            chosen.passed_since = ts_recv
            return False
        if ts_recv - chosen.passed_since <= SILENT_NS:
            return False
        chosen.event, chosen.passed_since = event, 0
        return True

    def watched(self, stream: str, made: Handler) -> Handler:
        """What reads a stream of an instrument that has both: one of the two may end."""
        native, _, event = stream.partition("@")
        native = native.upper()

        def watch(frame: bytes, ts_recv: int) -> Sequence[Item]:
            items = made(frame, ts_recv)
            return items if self.tells(native, event, items, ts_recv) else OTHER

        return watch
