"""Bars made of ticks: one answer, whichever store makes it. Golden recordings are in integration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import BarsOfTicks
from marketprism_application.queries.answering import answer
from marketprism_application.queries.bars_from_ticks import COLUMNS, sections_of
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND
from tests.contract.stores import Pair, put, read
from tests.fakes.ticks import at, tick
from tests.support.empty_stores import empty_store, kept_engine

D = Decimal
OPEN = at("2025-03-03 09:00:00")
SECTIONS = ((OPEN - 5 * NANOS_PER_MINUTE, OPEN, OPEN + 75 * NANOS_PER_MINUTE, 0, "20250303"),)
WIDTHS = (0, 10 * NANOS_PER_SECOND, NANOS_PER_MINUTE, 5 * NANOS_PER_MINUTE)
PRICES = st.sampled_from([None, D(98), D("99.5"), D(100), D(101)])
_numbers = count(1)


async def test_windows_with_a_trade_are_one_row_each_of_their_venue(pair: Pair) -> None:
    given = [(1, 100, 5, 500), (30, 110, 7, 720), (31, 110, 7, 720), (181, 105, 8, 825)]
    ticks = [
        tick(
            OPEN + s * NANOS_PER_SECOND,
            last,
            volume,
            seq=s,
            venue=venue,
            turnover=D(money),
            phase="continuous",
            verdict="passed",
        )._replace(seq=s)
        for s, last, volume, money in given
        for venue in ("shfe", "ine")
    ]
    await put(pair.store, TICK, ticks)
    found = await read(pair, BarsOfTicks("rb2505", "shfe", SECTIONS, NANOS_PER_MINUTE))
    assert [(field.name, field.type) for field in found.schema] == [(field.name, field.type) for field in COLUMNS]
    tail = ("test", 0)
    rows = [
        ("20250303", OPEN, D(100), D(110), D(100), D(110), D(7), D(720), D(1000), 3, *tail, ticks[4].ts_recv, 0),
        ("20250303", OPEN + 3 * NANOS_PER_MINUTE, *[D(105)] * 4, D(1), D(105), D(1000), 1, *tail, ticks[6].ts_recv, 0),
    ]
    assert found.to_pylist() == [dict(zip(COLUMNS.names, row, strict=True)) for row in rows]
    (whole,) = (await read(pair, BarsOfTicks("rb2505", "shfe", SECTIONS, 0))).to_pylist()
    assert (whole["start"], whole["open"], whole["close"], whole["volume"], whole["ticks"]) == (OPEN, 100, 105, 8, 4)


async def test_where_there_is_nothing_the_columns_are_there(pair: Pair) -> None:
    for sections in (SECTIONS, ()):
        found = await read(pair, BarsOfTicks("none", "shfe", sections, NANOS_PER_MINUTE))
        assert (found.num_rows, found.schema.names, found.schema.types) == (0, COLUMNS.names, COLUMNS.types)
    assert (await read(pair, BarsOfTicks("rb2505", "shfe"))).equals(COLUMNS.empty_table())


@pytest.fixture
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[ChdbEngine]:
    engine = await kept_engine(request)
    await empty_store(engine)
    yield engine
    await engine.close()


@st.composite
def pushes(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What a venue pushes over some minutes before, in and behind a section; totals of the day, or trades."""
    trades = draw(st.booleans())
    volume, found = 0, []
    for _ in range(draw(st.integers(1, 25))):
        volume += draw(st.integers(0, 3))
        seconds = draw(st.sampled_from([-90, -1, 0, 5, 9, 30, 59, 60, 61, 200, 75 * 60 - 1, 75 * 60, 80 * 60]))
        price = draw(PRICES.filter(bool) if draw(st.integers(0, 9)) else st.none())
        amount = None if draw(st.integers(0, 9)) == 0 else D(volume * 1000)
        found.append(
            {
                "ts_event": OPEN + seconds * NANOS_PER_SECOND,
                "last": price,
                "open": draw(PRICES),
                "high": draw(PRICES),
                "low": draw(PRICES),
                "volume": None if trades else D(volume),
                "turnover": None if trades else amount,
                "traded": D(draw(st.integers(0, 2))) if trades else None,
                "traded_turnover": amount if trades else None,
                "open_interest": draw(st.sampled_from([None, D(0), D(5), D(7)])),
                "phase": draw(st.sampled_from(["auction", "continuous", "continuous", "section_end", "closed"])),
                "verdict": draw(st.sampled_from(["valid", "valid", "valid", "warned", "stale"])),
            }
        )
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(pushed=pushes(), width=st.sampled_from(WIDTHS))
async def test_memory_makes_the_bars_that_the_engine_makes(
    engine: ChdbEngine, calendar: MarketCalendar, pushed: list[dict[str, Any]], width: int
) -> None:
    symbol = f"rb{next(_numbers)}"
    ticks: list[Tick] = [
        tick(OPEN, symbol=symbol, seq=n)._replace(source_seq=n, seq=n, epoch=n, ts_recv=n, ts_pub=n, **each)
        for n, each in enumerate(pushed, 1)
    ]
    memory, store = MemoryStore(), SqlStore(engine)
    for each in (memory, store):
        await put(each, TICK, ticks, int(symbol[2:]) * 100)
    sections = sections_of(calendar.schedule("shfe", "rb2505"), OPEN, OPEN + 3 * 60 * NANOS_PER_MINUTE)
    question = BarsOfTicks(symbol, "shfe", sections, width)
    made = await memory.answer(question)
    assert made.schema == COLUMNS
    assert made.to_pylist() == (await SqlReader(engine).answer(question)).to_pylist()
    assert (await RemoteReader(lambda data: answer(memory, data)).answer(question)).equals(made)
