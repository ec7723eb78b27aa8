"""The list of the instruments, kept and prepared for searches: people type, and ask again with every letter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from marketprism_application.contracts.questions import Listing, Search
from marketprism_application.contracts.times import CHINA
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.instrument_index import InstrumentIndex
from marketprism_application.queries.listed_instruments import ListedInstrument

if TYPE_CHECKING:
    import pyarrow as pa

_FRESH_S = 5.0
_STALE_S = 60.0
_SHARE = 20  # of the time, the store is asked for at most one part


def _today() -> str:
    return f"{datetime.now(CHINA):%Y%m%d}"


class KnownInstruments:
    """An index, and the newest data of each of its instruments, nanoseconds UTC, None where there is none."""

    def __init__(self, index: InstrumentIndex, ts_last: Sequence[int | None]) -> None:
        self._index = index
        self._ts_last = ts_last
        stored = (number for number, each in enumerate(index.instruments) if each.stored)
        self._newest = sorted(stored, key=lambda number: -(ts_last[number] or 0))

    def found(self, search: Search) -> pa.Table:
        """`FOUND`, the likeliest first; for an empty text what has data, the newest first."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        from marketprism_application.queries.arrow_tables import FOUND  # noqa: PLC0415 (loads pyarrow)

        return pa.Table.from_pylist([self._row(number) for number in self._numbers(search)], FOUND)

    def _numbers(self, asked: Search) -> Sequence[int]:
        if asked.text.strip():
            return self._index.search(
                asked.text, venue=asked.venue, class_=asked.class_, limit=asked.limit, visible=asked.visible
            )
        within = self._index.within(asked.venue, asked.class_, asked.visible)
        newest = (number for number in self._newest if within is None or number in within)
        return list(islice(newest, asked.limit))

    def _row(self, number: int) -> dict[str, object]:
        each = self._index.instruments[number]
        return {
            "venue": each.venue,
            "symbol": each.symbol,
            "product": each.product,
            "class_": each.class_,
            "name": each.shown_name,
            "english": each.english,
            "stored": each.stored,
            "expire_day": each.expire_day,
            "ts_last": self._ts_last[number],
        }


class _List(NamedTuple):
    """What is kept of an answer: its table without times, the day of its order, and what was made of it."""

    words: pa.Table
    today: str
    prepared: InstrumentIndex
    known: KnownInstruments


class ListingReader:
    """Gives the instruments that another reader knows.

    An answer is given for `fresh_s`, and longer where it took long, so that the store spends at most a twentieth of its
    time on it. An older one is given once more, up to `stale_s` later, while the store is asked anew: nobody who types
    waits for that. The index is made in a thread, and only when other instruments or other words are known.
    """

    def __init__(
        self,
        reader: StoreReader,
        *,
        fresh_s: float = _FRESH_S,
        stale_s: float = _STALE_S,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], str] = _today,
        prepare: Callable[[Iterable[ListedInstrument], str], InstrumentIndex] = InstrumentIndex,
    ) -> None:
        self._reader = reader
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._clock = clock
        self._today = today
        self._prepare = prepare
        self._kept: _List | None = None
        self._fresh_until = 0.0
        self._asking: asyncio.Task[_List] | None = None

    async def known(self) -> KnownInstruments:
        """The instruments. Raises StoreError: as the other reader, where nothing is kept that can be given."""
        late_s = self._clock() - self._fresh_until
        if self._kept is not None and late_s <= 0:
            return self._kept.known
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="listing")
            self._asking.add_done_callback(_retrieve)
        if self._kept is not None and late_s <= self._stale_s:
            return self._kept.known
        return (await asyncio.shield(self._asking)).known  # who gives up leaves it to the others

    async def _ask(self) -> _List:
        begun = self._clock()
        table = await self._reader.answer(Listing())
        self._kept = await asyncio.to_thread(self._prepared, table, self._kept, self._today())
        now = self._clock()
        self._fresh_until = now + max(self._fresh_s, _SHARE * (now - begun))
        return self._kept

    def _prepared(self, table: pa.Table, before: _List | None, today: str) -> _List:
        words = table.drop_columns(["ts_last"])
        if before is not None and before.today == today and before.words.equals(words):
            index = before.prepared
        else:
            columns = (table.column(field).to_pylist() for field in ListedInstrument._fields)
            index = self._prepare(map(ListedInstrument._make, zip(*columns, strict=True)), today)
        names = (table.column(field).to_pylist() for field in ("venue", "symbol", "ts_last"))
        newest = {(venue, symbol): ts for venue, symbol, ts in zip(*names, strict=True)}
        times = [newest[each.venue, each.symbol] for each in index.instruments]
        return _List(words, today, index, KnownInstruments(index, times))


def _retrieve(asking: asyncio.Task[_List]) -> None:
    if not asking.cancelled():
        asking.exception()  # each who waits gets it; where nobody does any more, it is no loss
