"""StoreReader: what every adapter gives back, whole tables with their columns, types, values and order.

The data are those on which adapters drift apart: futures and crypto, one symbol on several venues at the same instant,
inverse contracts, revisions, gaps, two days, numbers of full width, and terms that a newer record no longer states.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from marketprism_application.contracts.kinds import BAR, GAP, INSTRUMENT, KINDS, TICK
from marketprism_application.contracts.questions import (
    Audit,
    Daily,
    Instruments,
    InstrumentSearch,
    Latest,
    Records,
    Statistics,
    Symbols,
    key_of,
)
from marketprism_application.queries import daily, statistics
from marketprism_application.queries.arrow_tables import AUDIT, SYMBOLS, schema_of
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.contract.stores import Pair, put, read
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick

D = Decimal
OPEN = at("2025-03-03 09:00:00")
NEXT = at("2025-03-04 09:00:00")
WIDE = D("12345678901234567890.123456789012345678")
FUTURE, COIN, PERP = "rb2505", "BTC-USDT", "BTC-USD-PERP"
VENUES = ("okx", "binance", "deribit")  # not in the order in which they are read

TICKS = [
    tick(OPEN + 1, 3300, 5, seq=1)._replace(seq=1),
    tick(OPEN + 2, 3310, 7, seq=2, **book(3309, 3311))._replace(seq=2),
    tick(OPEN + 3, None, None, seq=3)._replace(seq=3),
    tick(OPEN + 4, 3290, 9, seq=4)._replace(seq=4),
    tick(NEXT + 1, 3350, 2, seq=5, day="20250304")._replace(seq=5, source="other"),
    tick(NEXT + 2, 3360, 3, seq=6, day="")._replace(seq=6, source="other"),
    *(
        tick(OPEN + 10, 80_000 + n, n, seq=7, venue=venue, symbol=COIN, traded=D("0.5"))._replace(seq=7)
        for n, venue in enumerate(VENUES)
    ),
    tick(OPEN + 11, 80_001, 1, seq=8, venue="okx", symbol=COIN)._replace(seq=8, source="other"),
    tick(OPEN + 12, None, None, seq=9, venue="deribit", symbol=PERP)._replace(seq=9),
]


def bar(venue: str, symbol: str, minute: int, close: str, **more: Any) -> Any:
    opened = OPEN + minute * NANOS_PER_MINUTE
    values: dict[str, Any] = {
        "venue": venue,
        "symbol": symbol,
        "source": "test",
        "interval": "1m",
        "ts_open": opened,
        "ts_close": opened + NANOS_PER_MINUTE,
        "ts_event": opened + NANOS_PER_MINUTE,
        "seq": opened // 10**9,
        "trading_day": "20250303",
        "open": D(close) - 1,
        "high": D(close) + 2,
        "low": D(close) - 3,
        "close": D(close),
        "volume": D(4),
        "turnover": D("100.25"),
        "ticks": 2,
        "revision": 0,
        "gap": False,
    }
    return SAMPLES["bar"]._replace(**values | more)


CORRECTED = bar("shfe", FUTURE, 1, "3320", revision=2, gap=True)
BARS = [  # as they are read
    bar("shfe", FUTURE, 0, "3300"),
    CORRECTED,
    bar("shfe", FUTURE, 2, "3310", source="other", ticks=0),
    *(bar(venue, COIN, 0, "80000", volume=WIDE, turnover=WIDE) for venue in VENUES),
    bar("okx", COIN, 1, "80100", volume=WIDE, turnover=WIDE, gap=True),
    bar("deribit", PERP, 0, "79000"),
    bar("shfe", FUTURE, 0, "9999", interval="5m", ts_close=OPEN + 5 * NANOS_PER_MINUTE),
]
REPLACED = [CORRECTED._replace(revision=0, close=D(1), volume=D(9)), CORRECTED._replace(revision=1, low=D(1))]


def gap(venue: str, symbol: str, start: int, length: int, cause: str, **more: Any) -> Any:
    values = {"venue": venue, "symbol": symbol, "ts_from": start, "ts_to": start + length, "ts_event": start + length}
    return SAMPLES["gap"]._replace(**values, cause=cause, **{"trading_day": "20250303", "seq": 1, **more})


GAPS = [
    gap("shfe", FUTURE, OPEN, 5, "silence"),
    gap("shfe", FUTURE, OPEN, 7, "restart"),
    gap("shfe", FUTURE, OPEN, 7, "restart", kind="trade"),
    gap("shfe", FUTURE, NEXT, 11, "sequence", trading_day=""),
    *(gap(venue, COIN, OPEN, 13, "disconnected") for venue in VENUES),
]


def terms(venue: str, symbol: str, day: int, product: str, class_: str, **more: Any) -> Any:
    return SAMPLES["instrument"]._replace(
        venue=venue, symbol=symbol, ts_event=day, seq=day, product=product, class_=class_, **more
    )


RB = terms("shfe", FUTURE, 9, "rb", "future", multiplier=D(10), name="螺纹钢2505")
OKX = terms("okx", COIN, 9, COIN, "spot", multiplier=None, base="BTC", quote="USDT", native="BTC-USDT", name="Ünit")
BINANCE = OKX._replace(venue="binance", native="BTCUSDT", name="")
DERIBIT = terms(
    "deribit", PERP, 9, "BTC-USD", "swap", multiplier=None, base="BTC", quote="USD", settle="BTC", inverse=True
)
OLD = [RB._replace(ts_event=1, seq=1, multiplier=D(5)), DERIBIT._replace(ts_event=1, seq=1, multiplier=D(7))]
TERMS = [RB, OKX, BINANCE, DERIBIT]


async def fill(pair: Pair) -> None:
    """Everything, what is replaced after what replaces it where the version decides."""
    await put(pair.store, TICK, [*TICKS, TICKS[1]])
    await put(pair.store, BAR, [CORRECTED, *REPLACED], 100)
    await put(pair.store, BAR, [row for row in BARS[::-1] if row is not CORRECTED], 200)
    await put(pair.store, GAP, GAPS[::-1], 300)
    await put(pair.store, INSTRUMENT, [*TERMS, *OLD], 400)


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [item._asdict() if hasattr(item, "_asdict") else item for item in value]
    return value


def same(found: pa.Table, schema: pa.Schema, rows: Sequence[Any]) -> None:
    """A table with exactly these columns, types and rows, in this order."""
    assert [(field.name, field.type) for field in found.schema] == [(field.name, field.type) for field in schema]
    if rows and not isinstance(rows[0], dict):
        rows = [{name: plain(value) for name, value in row._asdict().items()} for row in rows]
    assert found.to_pylist() == [dict(zip(schema.names, row.values(), strict=True)) for row in rows]


def of(rows: Sequence[Any], symbol: str, venue: str | None = None, interval: str | None = None) -> list[Any]:
    return [
        row
        for row in rows
        if row.symbol == symbol and venue in (None, row.venue) and interval in (None, getattr(row, "interval", None))
    ]


async def test_a_record_of_every_kind_has_the_columns_and_types_of_its_kind(
    pair: Pair, subtests: pytest.Subtests
) -> None:
    for kind in KINDS.values():
        with subtests.test(kind=kind.name):
            record = SAMPLES[kind.name]
            query = Records(kind.name, record.symbol, interval=getattr(record, "interval", None))
            same(await read(pair, query), schema_of(kind.name), [])
            same(await read(pair, Latest(kind.name, (record.symbol,))), schema_of(kind.name), [])
            await put(pair.store, kind, [record])
            for found in (await read(pair, query), await read(pair, Latest(kind.name, (record.symbol,)))):
                assert [(field.name, field.type) for field in found.schema] == [
                    (field.name, field.type) for field in schema_of(kind.name)
                ]
                (row,) = found.to_pylist()
                assert {n: v for n, v in row.items() if not isinstance(record._asdict()[n], dict)} == {
                    n: plain(v) for n, v in record._asdict().items() if not isinstance(v, dict)
                }


async def test_records_of_several_venues_at_one_instant_are_in_the_order_of_their_venues(pair: Pair) -> None:
    await fill(pair)
    ticks, bars, gaps = schema_of("tick"), schema_of("bar"), schema_of("gap")
    coins = sorted(of(TICKS, COIN), key=lambda row: (row.ts_event, row.seq, row.venue))
    same(await read(pair, Records("tick", FUTURE)), ticks, of(TICKS, FUTURE))
    same(await read(pair, Records("tick", COIN)), ticks, coins)
    same(await read(pair, Records("tick", COIN, limit=2)), ticks, coins[:2])
    same(await read(pair, Records("tick", COIN, limit=3, last=True)), ticks, coins[-3:])
    same(await read(pair, Records("tick", COIN, "okx")), ticks, of(coins, COIN, "okx"))
    same(await read(pair, Records("tick", COIN, after=(OPEN + 10, 7))), ticks, coins[3:])
    same(await read(pair, Records("tick", "none")), ticks, [])
    minutes = sorted(of(BARS, COIN), key=lambda row: (row.ts_open, row.venue))
    same(await read(pair, Records("bar", COIN, interval="1m")), bars, minutes)
    same(await read(pair, Records("bar", COIN, interval="1m", limit=2, last=True)), bars, minutes[-2:])
    same(await read(pair, Records("bar", FUTURE, interval="1m")), bars, of(BARS, FUTURE, None, "1m"))
    same(await read(pair, Records("bar", FUTURE, interval="5m")), bars, of(BARS, FUTURE, None, "5m"))
    silence, restart, trades, later = of(GAPS, FUTURE)
    same(await read(pair, Records("gap", FUTURE)), gaps, [restart, trades, silence, later])
    same(await read(pair, Records("gap", FUTURE, ts_to=NEXT)), gaps, [restart, trades, silence])


async def test_page_after_page_is_the_whole_also_of_several_rows_at_one_instant(
    pair: Pair, subtests: pytest.Subtests
) -> None:
    await fill(pair)
    for kind, symbol, interval in (("tick", COIN, None), ("bar", COIN, "1m"), ("gap", FUTURE, None)):
        whole = await read(pair, Records(kind, symbol, interval=interval))
        for limit in (1, 2, 3):
            with subtests.test(kind=kind, limit=limit):
                question, found = Records(kind, symbol, interval=interval, limit=limit), []
                while (page := await read(pair, question)).num_rows:
                    found += page.to_pylist()
                    question = msgspec.structs.replace(question, after=key_of(KINDS[kind], page))
                assert found == whole.to_pylist()
                assert len({row[KINDS[kind].time_field] for row in found}) < len(found)


async def test_the_latest_are_newest_first_and_one_a_venue(pair: Pair) -> None:
    await fill(pair)
    okx, binance, deribit = TICKS[9], TICKS[7], TICKS[8]
    found = await read(pair, Latest("tick", (COIN, FUTURE, PERP, "none", COIN)))
    same(found, schema_of("tick"), [TICKS[5], TICKS[10], okx, binance, deribit])
    same(await read(pair, Latest("tick", ())), schema_of("tick"), [])
    bars = await read(pair, Latest("bar", (COIN,)))
    same(bars, schema_of("bar"), [BARS[6], BARS[4], BARS[5]])
    assert BARS[0].ts_event == BARS[8].ts_event  # of intervals that end together the first by name
    await put(pair.store, BAR, [row._replace(symbol="rb2510") for row in (BARS[8], BARS[0])], 500)
    same(await read(pair, Latest("bar", ("rb2510",))), schema_of("bar"), [BARS[0]._replace(symbol="rb2510")])
    same(await read(pair, Latest("instrument", (COIN, PERP))), schema_of("instrument"), [DERIBIT, BINANCE, OKX])


async def test_symbols_count_ticks_and_bars_of_each_venue(pair: Pair) -> None:
    same(await read(pair, Symbols()), SYMBOLS, [])
    await fill(pair)
    rows = [
        (COIN, "binance", 1, OPEN + 10, OPEN + 10, 1),
        (PERP, "deribit", 1, OPEN + 12, OPEN + 12, 1),
        (COIN, "deribit", 1, OPEN + 10, OPEN + 10, 1),
        (COIN, "okx", 2, OPEN + 10, OPEN + 11, 2),
        (FUTURE, "shfe", 6, OPEN + 1, NEXT + 2, 4),
    ]
    same(await read(pair, Symbols()), SYMBOLS, [dict(zip(SYMBOLS.names, row, strict=True)) for row in rows])


async def test_days_of_each_venue_with_their_bars_and_gaps(pair: Pair) -> None:
    same(await read(pair, Daily(FUTURE)), daily.COLUMNS, [])
    await fill(pair)
    first = (
        "shfe",
        FUTURE,
        "20250303",
        4,
        OPEN + 1,
        OPEN + 4,
        D(3300),
        D(3310),
        D(3290),
        D(3290),
        D(9),
        D(9000),
        3,
        3,
        19,
    )
    second = (
        "shfe",
        FUTURE,
        "20250304",
        1,
        NEXT + 1,
        NEXT + 1,
        D(3350),
        D(3350),
        D(3350),
        D(3350),
        D(2),
        D(2000),
        0,
        0,
        0,
    )
    same(await read(pair, Daily(FUTURE)), daily.COLUMNS, _rows(daily.COLUMNS, first, second))
    same(await read(pair, Daily(FUTURE, NEXT, None)), daily.COLUMNS, _rows(daily.COLUMNS, second))
    cut = (
        "shfe",
        FUTURE,
        "20250303",
        2,
        OPEN + 3,
        OPEN + 4,
        *[D(3290)] * 4,
        D(9),
        D(9000),
        2,
        0,
        0,
    )
    same(await read(pair, Daily(FUTURE, OPEN + 3, NEXT)), daily.COLUMNS, _rows(daily.COLUMNS, cut))
    coins = [
        (venue, COIN, "20250303", count, OPEN + 10, last, D(open_), D(high), D(open_), D(high), D(n), D(n * 1000),
         bars, 1, 13)
        for venue, count, last, open_, high, n, bars in (
            ("binance", 1, OPEN + 10, 80_001, 80_001, 1, 1), ("deribit", 1, OPEN + 10, 80_002, 80_002, 2, 1),
            ("okx", 2, OPEN + 11, 80_000, 80_001, 1, 2),
        )
    ]  # fmt: skip
    same(await read(pair, Daily(COIN)), daily.COLUMNS, _rows(daily.COLUMNS, *coins))
    perp = ("deribit", PERP, "20250303", 1, OPEN + 12, OPEN + 12, *[None] * 6, 1, 0, 0)
    same(await read(pair, Daily(PERP)), daily.COLUMNS, _rows(daily.COLUMNS, perp))


async def test_statistics_have_the_newest_terms_of_each_venue(pair: Pair) -> None:
    same(await read(pair, Statistics(FUTURE)), statistics.COLUMNS, [])
    await put(pair.store, BAR, BARS, 600)
    (bare,) = (await read(pair, Statistics(PERP))).to_pylist()
    assert (bare["multiplier"], bare["base"], bare["inverse"]) == (None, "", False)
    await fill(pair)
    ends = [OPEN + n * NANOS_PER_MINUTE for n in range(4)]
    rb = (
        "shfe", FUTURE, 3, 4, 1, OPEN, ends[3], D(3299), D(3322), D(3297), D(3310), D(12), D("300.75"), D(10), "", False,
    )  # fmt: skip
    same(await read(pair, Statistics(FUTURE)), statistics.COLUMNS, _rows(statistics.COLUMNS, rb))
    middle = (
        "shfe",
        FUTURE,
        1,
        2,
        1,
        ends[1],
        ends[2],
        D(3319),
        D(3322),
        D(3317),
        D(3320),
        D(4),
        D("100.25"),
        D(10),
        "",
        False,
    )
    found = await read(pair, Statistics(FUTURE, ends[1], ends[2]))
    same(found, statistics.COLUMNS, _rows(statistics.COLUMNS, middle))
    one = (1, 2, 0, OPEN, ends[1], D(79_999), D(80_002), D(79_997), D(80_000), WIDE, WIDE)
    twice = D("24691357802469135780.246913578024691356")
    two = (2, 4, 1, OPEN, ends[2], D(79_999), D(80_102), D(79_997), D(80_100), twice, twice)
    coins = [
        ("binance", COIN, *one, None, "BTC", False),
        ("deribit", COIN, *one, None, "", False),
        ("okx", COIN, *two, None, "BTC", False),
    ]
    same(await read(pair, Statistics(COIN)), statistics.COLUMNS, _rows(statistics.COLUMNS, *coins))
    perp = (
        "deribit",
        PERP,
        1,
        2,
        0,
        OPEN,
        ends[1],
        D(78_999),
        D(79_002),
        D(78_997),
        D(79_000),
        D(4),
        D("100.25"),
        None,
        "BTC",
        True,
    )
    same(await read(pair, Statistics(PERP)), statistics.COLUMNS, _rows(statistics.COLUMNS, perp))


FOUND: tuple[tuple[InstrumentSearch, list[Any]], ...] = (
    (InstrumentSearch(), [BINANCE, DERIBIT, OKX, RB]),
    (InstrumentSearch(limit=2), [BINANCE, DERIBIT]),
    (InstrumentSearch("btc"), [BINANCE, DERIBIT, OKX]),
    (InstrumentSearch("ÜNIT"), [OKX]),
    (InstrumentSearch("螺纹"), [RB]),
    (InstrumentSearch(venue="okx"), [OKX]),
    (InstrumentSearch(at=8), OLD[::-1]),
    (InstrumentSearch(class_="swap"), [DERIBIT]),
    (InstrumentSearch(product=COIN), [BINANCE, OKX]),
    (InstrumentSearch("nothing"), []),
)


async def test_instruments_are_found_with_their_newest_terms(pair: Pair, subtests: pytest.Subtests) -> None:
    await put(pair.store, INSTRUMENT, [*TERMS, *OLD])
    for search, expected in FOUND:
        with subtests.test(search=search):
            same(await read(pair, Instruments(search)), schema_of("instrument"), expected)


async def test_an_audit_counts_each_source_once(pair: Pair) -> None:
    same(await read(pair, Audit(("test",))), AUDIT, [])
    await fill(pair)
    rows = _rows(AUDIT, ("other", 3, 3, 3, 1), ("test", 9, 8, 8, 8))
    same(await read(pair, Audit(("test", "none", "other", "test"))), AUDIT, rows)
    same(await read(pair, Audit(())), AUDIT, [])


def _rows(schema: pa.Schema, *rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(schema.names, row, strict=True)) for row in rows]
