"""StoreReader over many instruments: what every adapter says of days, of the ledger of holes, and of quality."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from marketprism_application.contracts.kinds import BAR, GAP, QUALITY
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.queries import coverage, gap_ledger, quality_overview
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.contract.stores import Pair, put, read
from tests.contract.test_codec import SAMPLES
from tests.contract.test_market_reading import COIN, FUTURE, GAPS, NEXT, OPEN, PERP, VENUES, bar, fill, gap

OLD = OPEN - 3 * 1440 * NANOS_PER_MINUTE


def rows(table: pa.Table, schema: pa.Schema) -> list[tuple[Any, ...]]:
    """The rows, of a table with exactly these columns."""
    assert table.schema.remove_metadata() == schema
    return [tuple(row.values()) for row in table.to_pylist()]


async def test_coverage_counts_bars_and_holes_by_day(pair: Pair) -> None:
    assert rows(await read(pair, Coverage()), coverage.STORED) == []
    await fill(pair)
    later = [
        bar("shfe", FUTURE, n, "3300", trading_day="20250304", ts_open=NEXT + n * NANOS_PER_MINUTE) for n in (0, 1)
    ]
    await put(pair.store, BAR, later, 700)
    future = ("shfe", FUTURE, "20250303", 3, 1, 3, 19)
    next_day = ("shfe", FUTURE, "20250304", 2, 0, 0, 0)
    coins = [
        ("binance", COIN, "20250303", 1, 0, 1, 13),
        ("deribit", PERP, "20250303", 1, 0, 0, 0),
        ("deribit", COIN, "20250303", 1, 0, 1, 13),
        ("okx", COIN, "20250303", 2, 1, 1, 13),
    ]
    everything = sorted([*coins, future, next_day])
    assert rows(await read(pair, Coverage()), coverage.STORED) == everything
    assert rows(await read(pair, Coverage(days=1)), coverage.STORED) == [next_day]
    asked = Coverage(names=(FUTURE,), from_day="20250303", to_day="20250303")
    assert rows(await read(pair, asked), coverage.STORED) == [future]
    assert rows(await read(pair, Coverage(names=(COIN, PERP), venue="okx")), coverage.STORED) == [coins[3]]
    cut = Coverage(names=(FUTURE,), from_day="20250303", ts_from=OPEN + 1, ts_to=NEXT)
    assert rows(await read(pair, cut), coverage.STORED) == [("shfe", FUTURE, "20250303", 2, 1, 0, 0)]
    assert rows(await read(pair, Coverage(venue="nowhere")), coverage.STORED) == []


async def test_the_ledger_is_read_newest_first_page_by_page(pair: Pair) -> None:
    assert rows(await read(pair, GapLedger(limit=10)), gap_ledger.STORED) == []
    await fill(pair)
    await put(pair.store, GAP, [gap("dce", "m2505", OLD, 2, "silence", trading_day="20250228")], 800)
    known = [*GAPS, gap("dce", "m2505", OLD, 2, "silence", trading_day="20250228")]
    ordered = sorted(known, key=lambda g: (g.ts_from, g.symbol, g.venue, g.cause, g.kind), reverse=True)

    async def keys(**asked: Any) -> list[tuple[Any, ...]]:
        table = await read(pair, GapLedger(**{"limit": 10, **asked}))
        assert table.schema.remove_metadata() == gap_ledger.STORED
        return list(zip(*(table.column(name).to_pylist() for name in gap_ledger.KEY), strict=True))

    expected = [(g.ts_from, g.symbol, g.venue, g.cause, g.kind) for g in ordered]
    assert await keys() == expected
    assert await keys(limit=3) == expected[:3]
    for at in range(1, len(expected)):
        assert await keys(before=expected[at - 1]) == expected[at:]
    assert await keys(cause="restart", kind="") == [key for key in expected if key[3:] == ("restart", "")]
    assert await keys(kind="trade") == [key for key in expected if key[4] == "trade"]
    assert await keys(names=(COIN,), venue="okx") == [(OPEN, COIN, "okx", "disconnected", "")]
    assert await keys(to_day="20250228", from_day="20250228") == [(OLD, "m2505", "dce", "silence", "")]


def window(venue: str, symbol: str, minute: int, score: int, ticks: int, **reasons: int) -> Any:
    start = OPEN + minute * NANOS_PER_MINUTE
    counts = {"accepted": ticks - 1, "rejected": 1, "stale": 2, "warned": 3, "anomalies": 4}
    return SAMPLES["quality"]._replace(
        venue=venue,
        symbol=symbol,
        ts_from=start,
        ts_to=start + NANOS_PER_MINUTE,
        ts_event=start + NANOS_PER_MINUTE,
        seq=minute + 10_000,
        score=score,
        ticks=ticks,
        reasons=reasons,
        **counts,
    )


async def test_quality_is_summed_up_over_spans(pair: Pair) -> None:
    width = 5 * NANOS_PER_MINUTE
    assert rows(await read(pair, QualityOverview(width_ns=width)), quality_overview.COLUMNS) == []
    windows = [
        window("shfe", FUTURE, 0, 100, 3),
        window("shfe", FUTURE, 1, 50, 1, duplicate=2, volume_fell=1),
        window("shfe", FUTURE, 5, 0, 0, duplicate=1),
        window("shfe", FUTURE, -3 * 1440, 7, 9, stale=9),
        *(window(venue, COIN, 0, 90, 2) for venue in VENUES),
    ]
    await put(pair.store, QUALITY, windows, 900)

    async def asked(**more: Any) -> list[tuple[Any, ...]]:
        table = await read(pair, QualityOverview(**{"width_ns": width, **more}))
        found = rows(table, quality_overview.COLUMNS)
        return [(*row[:-1], json.loads(row[-1])) for row in found]

    first = ("shfe", FUTURE, OPEN, OPEN + width, 2, 87.5, 50, 4, 2, 2, 4, 6, 8, {"duplicate": 2, "volume_fell": 1})
    second = ("shfe", FUTURE, OPEN + width, OPEN + 2 * width, 1, 0.0, 0, 0, -1, 1, 2, 3, 4, {"duplicate": 1})
    assert await asked(names=(FUTURE,)) == [first, second]
    assert await asked(names=(FUTURE,), ts_to=OPEN + width, ts_from=OPEN) == [first]
    assert await asked(names=(COIN,), venue="deribit") == [
        ("deribit", COIN, OPEN, OPEN + width, 1, 90.0, 90, 2, 1, 1, 2, 3, 4, {})
    ]
    assert [row[:2] for row in await asked()] == [
        ("binance", COIN),
        ("deribit", COIN),
        ("okx", COIN),
        ("shfe", FUTURE),
        ("shfe", FUTURE),
    ]
    (old,) = await asked(names=(FUTURE,), ts_from=0, ts_to=OPEN - NANOS_PER_MINUTE)
    assert (old[5], old[-1]) == (7.0, {"stale": 9})
