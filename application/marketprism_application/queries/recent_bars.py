"""Bars that are published and not in the store yet: what a query must see all the same.

A bar is in the stream some 200 ms before it is in a table. The reader of the stream adds each bar here, and takes it
out when the store's watermark has passed it; an answer is what the table has with these over it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records, StoreQuestion
from marketprism_application.ports.reading import StoreReader
from marketprism_domain.bars.market_bar import MarketBar
from marketprism_domain.marketdata.bar import Bar

if TYPE_CHECKING:
    import pyarrow as pa

Key = tuple[str, str]  # symbol, interval
_MOST, _MOST_NEWEST = 200_000, 100_000


class RecentBars:
    """At most `most` bars wait here; `dropped` counts those that had to go while the store was away for long."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._rows: dict[Key, dict[tuple[str, int], tuple[int, MarketBar]]] = {}
        self._order: deque[tuple[int, Bar]] = deque()
        self._newest: dict[Key, dict[str, Bar]] = {}
        self._listeners: list[Callable[[Bar], None]] = []
        self.dropped = 0

    def on_add(self, listener: Callable[[Bar], None]) -> None:
        """Call `listener` with each bar that comes."""
        self._listeners.append(listener)

    def add(self, seq: int, bar: Bar) -> None:
        """A bar of the stream, at its sequence.

        Raises:
            DomainError: what no bar can be; it is not taken.
        """
        key, place = (bar.symbol, bar.interval), (bar.venue, bar.ts_open)
        before = self._rows.get(key, {}).get(place)
        standing = MarketBar(bar) if before is None else before[1]
        if before is None or standing.take(bar):
            self._rows.setdefault(key, {})[place] = (seq, standing)
        self._order.append((seq, bar))
        newest = self._newest.setdefault(key, {})
        known = newest.get(bar.venue)
        if known is None or (bar.ts_open, bar.revision) >= (known.ts_open, known.revision):
            newest[bar.venue] = bar
        if len(self._newest) > _MOST_NEWEST:
            self._newest.pop(next(iter(self._newest)))
        if len(self._order) > self._most:
            self.dropped += 1
            self._forget(*self._order.popleft())
        for listener in self._listeners:
            listener(bar)

    def stored_to(self, watermark: int) -> None:
        """Everything up to this sequence is in the store."""
        while self._order and self._order[0][0] <= watermark:
            self._forget(*self._order.popleft())

    def _forget(self, seq: int, bar: Bar) -> None:
        key = (bar.symbol, bar.interval)
        rows = self._rows.get(key, {})
        at = (bar.venue, bar.ts_open)
        if at in rows and rows[at][0] == seq:
            del rows[at]
        if not rows:
            self._rows.pop(key, None)

    def clear(self) -> None:
        """Forget everything: the stream begins anew."""
        self._rows.clear()
        self._order.clear()
        self._newest.clear()

    def __len__(self) -> int:
        return len(self._order)

    def wanted(self, query: Records) -> list[Bar]:
        """Bars that belong into the answer of a query."""
        standing = (bar for _, bar in self._rows.get((query.symbol, str(query.interval)), {}).values())
        if query.as_of is None:
            found = [each.bar for each in standing]
        else:
            found = [bar for each in standing if (bar := each.stood(query.as_of)) is not None]
        return [
            bar
            for bar in found
            if query.venue in (None, bar.venue)
            and (query.ts_from is None or bar.ts_open >= query.ts_from)
            and (query.ts_to is None or bar.ts_open < query.ts_to)
            and (query.from_day or "") <= bar.trading_day
            and (query.to_day is None or bar.trading_day <= query.to_day)
            and (query.after is None or BAR.is_behind(bar, query.after))
        ]

    def newest(self, symbol: str, interval: str) -> Sequence[Bar]:
        """The newest bar of each venue, where one came by since this process started."""
        return list(self._newest.get((symbol, interval), {}).values())


class FreshReader:
    """Fulfils `StoreReader`: another reader's answers with recent bars over them."""

    def __init__(self, reader: StoreReader, recent: RecentBars) -> None:
        self._reader = reader
        self._recent = recent

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """The other reader's answer; a page of bars with the recent ones in it.

        What is recent is looked up before the store is asked, or it could be missed between the two.

        Raises:
            StoreError: as the other reader.
        """
        if not isinstance(question, Records) or question.kind != BAR.name:
            return await self._reader.answer(question)
        recent = self._recent.wanted(question)
        table = await self._reader.answer(question)
        return merged(table, recent, question) if recent else table


def merged(table: pa.Table, recent: Sequence[Bar], query: Records) -> pa.Table:
    """A page with recent bars in it: of one window the later revision, of one revision the one from the stream."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    stored: dict[tuple[Any, Any], tuple[int, int]] = {}
    columns = (table.column(name).to_pylist() for name in ("venue", "ts_open", "revision"))
    for index, (venue, opened, revision) in enumerate(zip(*columns, strict=True)):
        stored[venue, opened] = (revision, index)
    replaced: set[int] = set()
    new: list[dict[str, Any]] = []
    for bar in recent:
        revision, index = stored.get((bar.venue, bar.ts_open), (-1, -1))
        if bar.revision < revision:
            continue
        replaced.add(index)
        new.append(bar._asdict())
    kept = table.take(pa.array([n for n in range(table.num_rows) if n not in replaced], pa.int64()))
    both = pa.concat_tables([kept, pa.Table.from_pylist(new, table.schema)])
    both = both.sort_by([(name, "ascending") for name in BAR.read_order])
    return both.slice(max(0, both.num_rows - query.limit)) if query.last else both.slice(0, query.limit)
