"""A page of stored bars, and what minutes say is lacking in it: of imported ones, or from before it was stored."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import MAX_LIMIT, Records, is_truncated
from marketprism_application.contracts.rows import Row
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_domain.bars.windows import Window
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY
from marketprism_domain.values import NANOS_PER_MINUTE, Interval

if TYPE_CHECKING:
    import pyarrow as pa

_UNKNOWN = "method: expected one of"  # how a storage refuses a question that it does not know
WindowOf = Callable[[str, Window], Window]  # of a venue and a minute: the window of the longer bar that holds it


class StoredBars:
    """`page` is the store's answer to `query`, of bars of one interval that is longer than a minute."""

    def __init__(self, page: pa.Table, query: Records) -> None:
        self._page, self._query = page, query
        self._opens: dict[str, list[int]] = {}
        self._closes: dict[str, list[int]] = {}
        columns = (page.column(name).to_pylist() for name in ("venue", "ts_open", "ts_close"))
        for venue, opened, closed in zip(*columns, strict=True):
            self._opens.setdefault(venue, []).append(opened)
            self._closes.setdefault(venue, []).append(closed)

    async def lacking(self, reader: StoreReader, window_of: WindowOf) -> Records | None:
        """The question for the bars of minutes that no stored bar holds; None where each one is held.

        Raises:
            StoreError: as the reader.
        """
        query, interval = self._query, Interval.parse(str(self._query.interval))
        start, end = query.ts_from, query.ts_to
        if query.after is not None:
            start = max(start or 0, int(query.after[0]))
        if is_truncated(self._page) and self._page.num_rows:  # what is behind it is asked for with the next page
            first, last = (self._page.column("ts_open")[at].as_py() for at in (0, self._page.num_rows - 1))
            start, end = (first, end) if query.last else (start, last + 1)
        question = MinuteSpans(
            query.symbol,
            query.venue,
            start,
            end,
            query.from_day,
            query.to_day,
            min(interval.nanos, NANOS_PER_DAY),
            MAX_LIMIT,
            query.last,
        )
        try:
            spans = await reader.answer(question)
        except QueryError as error:
            if not str(error).startswith(_UNKNOWN):
                raise
            return None  # a storage of the version before, beside which this one runs during an upgrade
        rows = spans.to_pylist()
        opened = await asyncio.to_thread(self._unheld, rows, window_of, start, end)
        if not opened:
            return None
        whole = len(rows) < MAX_LIMIT
        lower = min(opened) if whole or not query.last else start
        upper = max(opened) + 1 if whole or query.last else end
        return msgspec.structs.replace(query, ts_from=lower, ts_to=upper)

    def _unheld(self, spans: Sequence[Row], window_of: WindowOf, start: int | None, end: int | None) -> list[int]:
        """When the windows open that a minute at an end of a span is in and no stored bar, among those that are asked
        for; without the newest of a venue, where that is not over."""
        newest = {row["venue"]: row["ts_last"] for row in spans}
        found = []
        for row in spans:
            venue = row["venue"]
            for ts in {row["ts_first"], row["ts_last"]}:
                if self._holds(venue, ts, ts + 1):
                    continue
                window = window_of(venue, Window(ts, ts + NANOS_PER_MINUTE, row["trading_day"]))
                asked = (start is None or window.ts_open >= start) and (end is None or window.ts_open < end)
                if asked and newest[venue] + NANOS_PER_MINUTE >= window.ts_close:
                    found.append(window.ts_open)
        return found

    def _holds(self, venue: str, ts_from: int, ts_to: int) -> bool:
        """Whether a stored bar has a part of [ts_from, ts_to)."""
        opens = self._opens.get(venue, [])
        at = bisect_right(opens, ts_to - 1) - 1  # the last that opens before the end
        return at >= 0 and self._closes[venue][at] > ts_from

    def joined(self, derived: Iterable[Row], *, more: bool) -> tuple[list[Row], bool]:
        """Stored bars and those that were made of minutes beside them, and whether there are more; `more`: there are
        more made ones behind the last of them, or, of the newest, before the first."""
        stored, rows_made = self._page.to_pylist(), sorted(derived, key=_place)
        truncated = is_truncated(self._page)
        edges = [rows for rows, ends in ((stored, truncated), (rows_made, more)) if ends and rows]
        free = [row for row in rows_made if not self._holds(row["venue"], row["ts_open"], row["ts_close"])]
        both = [*stored, *free]
        for rows in edges:  # as far as both are known
            if self._query.last:
                both = [row for row in both if _place(row) >= _place(rows[0])]
            else:
                both = [row for row in both if _place(row) <= _place(rows[-1])]
        return both, truncated or more


def _place(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in BAR.read_order)


__all__ = ["StoredBars", "WindowOf"]
