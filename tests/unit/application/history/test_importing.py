"""An import beside what is stored, in memory: what is new, there, different, and what is sent of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.history import decode_block, history_subject
from marketprism_application.contracts.kinds import BAR, KINDS, KLINE, TRADE, DataKind
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import QueryError
from marketprism_application.history.comparing import Conflict
from marketprism_application.history.file_rows import FileRows
from marketprism_application.history.importing import Importer, ImportResult
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.ports.history_log import SeriesKey
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.arrow_tables import table_of
from tests.contract.test_codec import SAMPLES

MINUTE = 60 * 10**9
T0 = 1_704_067_200 * 10**9


class Log:
    """Stores each block at once, as the storage would; `sent` are their rows and whether they replace."""

    def __init__(self, store: MemoryStore, block_bytes: int = 10**6) -> None:
        self.block_bytes = block_bytes
        self.sent: list[tuple[int, bool]] = []
        self._store = store
        self._series = SeriesKey("", "", "")

    async def join(self, series: SeriesKey) -> None:
        self._series = series

    async def publish(self, data: bytes) -> None:
        kind = KINDS[self._series.kind]
        block = decode_block(history_subject(kind, self._series.venue, self._series.symbol), data)
        seq = len(self.sent) + 1
        self.sent.append((block.rows.num_rows, block.replaces))
        covered = StreamRange("H", f"{id(self)}", seq, seq)
        await self._store.insert_columns(kind, block.rows, block.stored_seq(seq), covered, 1)

    async def settled(self) -> None:
        return None


def series_of(kind: DataKind) -> SeriesKey:
    sample = SAMPLES[kind.name]
    return SeriesKey(kind.name, sample.venue, sample.symbol, getattr(sample, "interval", ""))


def records(kind: DataKind, numbers: range, **more: Any) -> list[Any]:
    found = []
    for n in numbers:
        ts = T0 + n * MINUTE
        own = {"ts_event": ts, "ts_pub": 5} if kind is TRADE else {"ts_open": ts, "ts_close": ts + MINUTE, "ts_pub": 5}
        if kind is TRADE:
            own |= {"seq": n, "trade_id": str(n)}
        elif kind is KLINE:
            own |= {"closed": True, "ts_event": ts + MINUTE}
        else:
            own |= {"revision": 0, "ts_event": ts + MINUTE}
        found.append(SAMPLES[kind.name]._replace(**{**own, **more}))
    return found


def part(kind: DataKind, rows: list[Any], first: int = 1) -> FileRows:
    number = np.arange(first, first + len(rows), dtype=np.int64)
    return FileRows(table_of(kind, rows), number, frozenset(HISTORY_KINDS[kind.name].compared))


async def imported(
    store: MemoryStore, kind: DataKind, *parts: FileRows, log: Log | None = None, replace: bool = False
) -> ImportResult:
    given: Iterator[FileRows] = iter(parts)
    return await Importer(store, log, lambda _: None).run(series_of(kind), given, replace=replace)


async def live(store: MemoryStore, kind: DataKind, rows: list[Any]) -> None:
    places = [StreamPlace(n + 1, 0) for n in range(len(rows))]
    await store.insert(kind, rows, places, StreamRange("L", "x", 1, len(rows)), 1)


async def stored(store: MemoryStore, kind: DataKind) -> list[dict[str, Any]]:
    series = series_of(kind)
    found = await store.answer(Records(kind.name, series.symbol, series.venue, interval=series.interval or None))
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


@pytest.mark.parametrize("kind", [BAR, KLINE, TRADE])
async def test_only_what_is_new_is_sent_and_all_is_there_at_the_end(kind: DataKind) -> None:
    store = MemoryStore()
    await live(store, kind, records(kind, range(3)))
    log = Log(store)
    parts = [part(kind, records(kind, range(2, 6))), part(kind, records(kind, range(6, 9)), 5)]
    result = await imported(store, kind, *parts, log=log)
    assert (result.rows, result.stored, result.same, result.conflicts) == (7, 6, 1, 0)
    assert (result.present, result.missing) == (7, 0)
    assert log.sent == [(3, False), (3, False)]
    again = await imported(store, kind, *parts, log=log)
    assert (again.stored, again.same, len(log.sent)) == (0, 7, 2)
    assert len(await stored(store, kind)) == 9


async def test_one_that_differs_is_named_with_its_row_and_both_values() -> None:
    store = MemoryStore()
    await live(store, KLINE, records(KLINE, range(3), close=Decimal("7.50")))
    result = await imported(
        store, KLINE, part(KLINE, records(KLINE, range(1, 5), close=Decimal(8)), 11), log=Log(store)
    )
    assert (result.stored, result.same, result.conflicts) == (2, 0, 2)
    assert result.sample == [Conflict(T0 + n * MINUTE, 10 + n, "close", "7.5", "8") for n in (1, 2)]
    assert [row["close"] for row in await stored(store, KLINE)] == [Decimal("7.5")] * 3 + [8, 8]


@pytest.mark.parametrize("kind", [BAR, KLINE])
async def test_one_that_is_to_replace_is_the_next_revision(kind: DataKind) -> None:
    store = MemoryStore()
    await live(store, kind, records(kind, range(2), close=Decimal(7)))
    log = Log(store)
    result = await imported(store, kind, part(kind, records(kind, range(2), close=Decimal(8))), log=log, replace=True)
    assert (result.replaced, result.conflicts, log.sent) == (2, 0, [(2, True)])
    rows = await stored(store, kind)
    assert [row["close"] for row in rows] == [8, 8]
    if kind is BAR:
        assert [row["revision"] for row in rows] == [1, 1]


async def test_a_kline_that_was_never_closed_gives_way() -> None:
    store = MemoryStore()
    await live(store, KLINE, records(KLINE, range(1), closed=False, close=Decimal(7)))
    result = await imported(store, KLINE, part(KLINE, records(KLINE, range(1), close=Decimal(8))), log=Log(store))
    assert (result.stored, result.replaced, result.conflicts) == (0, 1, 0)
    (row,) = await stored(store, KLINE)
    assert (row["close"], row["closed"]) == (8, True)


async def test_a_trade_is_known_by_its_id_where_its_time_has_another_unit() -> None:
    store = MemoryStore()
    await live(store, TRADE, [each._replace(ts_event=each.ts_event + 123_456) for each in records(TRADE, range(5))])
    result = await imported(store, TRADE, part(TRADE, records(TRADE, range(6))), log=Log(store))
    assert (result.stored, result.same) == (1, 5)
    other = part(TRADE, records(TRADE, range(2), first_id=None, last_id=None, price=Decimal(1)))
    with pytest.raises(QueryError, match="trades: expected a file of aggregated trades"):
        await imported(store, TRADE, other, log=Log(store))
    with pytest.raises(QueryError, match="replace: expected bars or klines"):
        await imported(store, TRADE, other, replace=True)


async def test_a_field_that_the_file_lacks_is_held_against_nothing() -> None:
    store = MemoryStore()
    await live(store, BAR, records(BAR, range(2), turnover=Decimal(99)))
    rows = records(BAR, range(2), turnover=Decimal(0))
    without = FileRows(table_of(BAR, rows), np.arange(2), frozenset({"open", "high", "low", "close", "volume"}))
    assert (await imported(store, BAR, without)).same == 2
    assert (await imported(store, BAR, part(BAR, rows))).conflicts == 2


async def test_a_block_that_is_too_large_is_sent_in_halves_and_a_dry_run_sends_nothing() -> None:
    store = MemoryStore()
    rows = part(KLINE, records(KLINE, range(64)))
    dry = await imported(store, KLINE, rows)
    assert (dry.stored, dry.present) == (64, None)
    assert await stored(store, KLINE) == []
    log = Log(store, block_bytes=4_500)
    result = await imported(store, KLINE, rows, log=log)
    assert result.missing == 0
    assert len(log.sent) > 1
    assert sum(count for count, _ in log.sent) == 64
