"""Answers about bars, kept until a bar comes that belongs into them.

Every bar passes through the stream that the listener hears, also one of last year that is made anew; so an answer about
a closed range stays right until then, and an open one until its next bar.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records, StoreQuestion
from marketprism_application.ports.reading import StoreReader
from marketprism_domain.marketdata.bar import Bar

if TYPE_CHECKING:
    import pyarrow as pa

Key = tuple[str, str]  # symbol, interval
Cached: TypeAlias = Records | MinuteSpans


class CachedReader:
    """Fulfils `StoreReader`. `is_live` says whether every bar is heard; while it is not, nothing is kept or given.

    `max_bytes` bounds the tables that are kept; the one that was not asked for the longest goes first.
    """

    def __init__(self, reader: StoreReader, is_live: Callable[[], bool], max_bytes: int) -> None:
        self._reader = reader
        self._is_live = is_live
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Cached, pa.Table] = OrderedDict()
        self._by_key: dict[Key, set[Cached]] = {}
        self._asking: dict[Key, list[list[Bar]]] = {}  # per question on its way: the bars that came meanwhile
        self._epoch = 0  # of rows of the past: what was asked for before some came is not kept
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def on_bar(self, bar: Bar) -> None:
        """A bar came: answers that it belongs into are no longer right."""
        key = (bar.symbol, bar.interval)
        for query in [query for query in self._by_key.get(key, ()) if _holds(query, bar)]:
            self._drop(query)
        for meanwhile in self._asking.get(key, ()):
            meanwhile.append(bar)

    def on_history(self) -> None:
        """Rows of the past came into the store, any of them: no answer is known to be right."""
        self._epoch += 1
        self.clear()

    def bound(self, max_bytes: int) -> None:
        """Keep so many bytes at most from now on."""
        self._max_bytes = max_bytes
        self._make_room()

    def clear(self) -> None:
        self._kept.clear()
        self._by_key.clear()
        self.bytes = 0

    def _drop(self, query: Cached) -> None:
        self.bytes -= self._kept.pop(query).nbytes
        key = _key(query)
        self._by_key[key].discard(query)
        if not self._by_key[key]:
            del self._by_key[key]

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """The other reader's answer; one about bars from here, where it is still right.

        Raises:
            StoreError: as the other reader.
        """
        if not isinstance(question, Records | MinuteSpans) or (
            isinstance(question, Records) and question.kind != BAR.name
        ):
            return await self._reader.answer(question)
        if not self._is_live():
            self.clear()
            return await self._reader.answer(question)
        query = question
        kept = self._kept.get(query)
        if kept is not None:
            self.hits += 1
            self._kept.move_to_end(query)
            return kept
        self.misses += 1
        key = _key(query)
        meanwhile: list[Bar] = []
        epoch = self._epoch
        self._asking.setdefault(key, []).append(meanwhile)
        try:
            table = await self._reader.answer(query)
        finally:
            asking = self._asking[key]
            asking[:] = [other for other in asking if other is not meanwhile]
            if not asking:
                del self._asking[key]
        if self._is_live() and epoch == self._epoch and not any(_holds(query, bar) for bar in meanwhile):
            self._keep(query, table)
        return table

    def _keep(self, query: Cached, table: pa.Table) -> None:
        if table.nbytes > self._max_bytes // 10 or query in self._kept:
            return
        self._kept[query] = table
        self._by_key.setdefault(_key(query), set()).add(query)
        self.bytes += table.nbytes
        self._make_room()

    def _make_room(self) -> None:
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))


def _key(query: Cached) -> Key:
    return query.symbol, str(query.interval) if isinstance(query, Records) else "1m"


def _holds(query: Cached, bar: Bar) -> bool:
    return (query.ts_from is None or bar.ts_open >= query.ts_from) and (
        query.ts_to is None or bar.ts_open < query.ts_to
    )
