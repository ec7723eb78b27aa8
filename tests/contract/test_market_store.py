"""MarketStore and StoreReader: one suite over memory, chDB, chDB behind the wire, and a ClickHouse server by both
of its protocols."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import msgspec
import pytest

from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, KINDS, KLINE, TICK
from marketprism_application.contracts.questions import (
    Audit,
    BarSeries,
    Daily,
    Instruments,
    InstrumentSearch,
    Latest,
    Records,
    Statistics,
    Symbols,
    decode_answer,
    encode_question,
)
from marketprism_application.errors import QueryError, RowError
from marketprism_application.ports.storage import EncodedRows
from marketprism_application.queries.answering import answer
from marketprism_application.queries.arrow_tables import BAR_SERIES
from marketprism_application.queries.checks import checked, parse_time
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.contract.stores import Pair, covered, put, read
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick

TICKS = [
    tick(at("2025-03-03 09:00:00") + n * 10**9, f"{100 + n}.5", n + 1, **book(99, 100))._replace(seq=n + 1)
    for n in range(50)
]


async def test_the_same_range_twice_is_stored_once(pair: Pair) -> None:
    for _ in range(3):
        await put(pair.store, TICK, TICKS)
    (audit,) = (await read(pair, Audit(("test",)))).to_pylist()
    assert (audit["stored"], audit["distinct_ticks"], audit["read_back"]) == (50, 50, 50)


async def test_messages_without_any_row_are_stored_as_nothing(pair: Pair) -> None:
    """Those of a gateway that has just taken over hold marks and no ticks: a part may be made of them alone."""
    for groups in ([EncodedRows(1, []), EncodedRows(2, [])], []):
        assert await pair.store.insert_encoded(TICK, groups, covered(1, 2), 1) == 0
    await put(pair.store, TICK, TICKS)
    (audit,) = (await read(pair, Audit(("test",)))).to_pylist()
    assert audit["stored"] == 50


async def test_encoded_rows_are_the_rows_themselves_and_share_their_token(pair: Pair) -> None:
    rows = [msgspec.msgpack.encode(row) for row in TICKS]
    groups = [EncodedRows(1 + n, rows[n : n + 1]) for n in range(20)] + [EncodedRows(21, rows[20:], first=3)]
    for _ in range(2):
        assert await pair.store.insert_encoded(TICK, groups, covered(1, len(rows)), 1) == len(rows)
    await put(pair.store, TICK, TICKS)  # the same range the other way changes nothing
    (audit,) = (await read(pair, Audit(("test",)))).to_pylist()
    assert (audit["stored"], audit["distinct_ticks"], audit["read_back"]) == (50, 50, 50)
    found = await read(pair, Records("tick", "rb2505", limit=100))
    for row, tick_ in zip(found.to_pylist(), TICKS, strict=True):
        for name, value in tick_._asdict().items():
            expected = [level._asdict() for level in value] if name in ("bids", "asks") else value
            assert row[name] == (list(expected) if isinstance(expected, tuple) else expected), name


async def test_messages_without_rows_are_stored_as_nothing(pair: Pair) -> None:
    """Where a market rests, a whole range is marks of time and ends of sections."""
    assert await pair.store.insert_encoded(TICK, [EncodedRows(1, []), EncodedRows(2, [])], covered(1, 2), 1) == 0
    assert await pair.store.insert_encoded(TICK, [], covered(1, 2), 1) == 0
    await put(pair.store, TICK, TICKS)
    (audit,) = (await read(pair, Audit(("test",)))).to_pylist()
    assert audit["stored"] == 50


BROKEN = (
    b"",
    b"\x90",
    b"\xc1",
    msgspec.msgpack.encode({"symbol": "x"}),
    msgspec.msgpack.encode(TICKS[0])[:-9],
    msgspec.msgpack.encode(TICKS[0]._replace(last=Decimal("0.1234567890123456789"))),
    msgspec.msgpack.encode(TICKS[0]._replace(last=Decimal("1E-30"))),
    msgspec.msgpack.encode(["text"] * len(TICK.fields)),
)


async def test_an_encoded_row_that_does_not_fit_is_refused_with_its_neighbours(
    pair: Pair, subtests: pytest.Subtests
) -> None:
    rows = [msgspec.msgpack.encode(row) for row in TICKS[:5]]
    for broken in BROKEN:
        with subtests.test(broken=broken[:20]):
            with pytest.raises(RowError):
                await pair.store.insert_encoded(TICK, [EncodedRows(1, [*rows, broken])], covered(1, 6), 1)
            assert (await read(pair, Audit(("test",)))).num_rows == 0
    await put(pair.store, TICK, TICKS[:5])
    assert (await read(pair, Audit(("test",)))).to_pylist()[0]["stored"] == 5


async def test_every_kind_comes_back_as_it_was(pair: Pair, subtests: pytest.Subtests) -> None:
    for kind in KINDS.values():
        with subtests.test(kind=kind.name):
            record = SAMPLES[kind.name]
            await put(pair.store, kind, [record])
            query = Records(kind.name, record.symbol, record.venue, interval=getattr(record, "interval", None))
            (row,) = (await read(pair, query)).to_pylist()
            for name, value in record._asdict().items():
                if isinstance(value, dict):
                    continue  # an object of its own shape; the engines keep it as JSON
                expected = (
                    [level._asdict() for level in value]
                    if name in ("bids", "asks")
                    else list(value)
                    if isinstance(value, tuple)
                    else value
                )
                assert row[name] == expected, name


async def test_pages_follow_one_another_without_hole_or_overlap(pair: Pair) -> None:
    await put(pair.store, TICK, TICKS)
    found, after = [], None
    while True:
        page = await read(pair, Records("tick", "rb2505", limit=7, after=after))
        if not page.num_rows:
            break
        found += page.column("seq").to_pylist()
        after = (page.column("ts_event")[-1].as_py(), page.column("seq")[-1].as_py())
    assert found == list(range(1, 51))


async def test_days_say_what_is_there_and_how_complete_it_is(pair: Pair, calendar: MarketCalendar) -> None:
    await put(pair.store, TICK, [t._replace(trading_day="20250303") for t in TICKS])
    bar = SAMPLES["bar"]._replace(venue="shfe", symbol="rb2505", interval="1m", trading_day="20250303")
    opened = at("2025-03-03 09:00:00")
    bars = [bar._replace(ts_open=opened + n * 60 * 10**9, seq=n, revision=0) for n in range(3)]
    await put(pair.store, BAR, [*bars, bars[0]._replace(revision=1)], first=100)
    (day,) = (await read(pair, Daily("rb2505"))).to_pylist()
    assert (day["venue"], day["trading_day"], day["ticks"], day["bars"], day["gaps"]) == ("shfe", "20250303", 50, 3, 0)
    assert (day["first"], day["low"], day["high"], day["last"]) == tuple(
        map(Decimal, ("100.5", "100.5", "149.5", "149.5"))
    )
    assert (day["ts_first"], day["ts_last"], day["volume"]) == (TICKS[0].ts_event, TICKS[-1].ts_event, 50)
    assert (await read(pair, Daily("rb2505", opened + 3600 * 10**9))).num_rows == 0
    question = encode_question(Daily("rb2505"))
    (told,) = decode_answer(await answer(pair.reader, question, ReadRules(calendar, ("1m",)))).to_pylist()
    assert (told["minutes"], told["complete"]) == (345, 0.0087)
    with pytest.raises(AnswerError, match="expected at or after"):
        decode_answer(await answer(pair.reader, encode_question(Daily("x", 2, 1))))


async def test_sums_over_a_range_and_the_terms_of_an_instrument(pair: Pair) -> None:
    opened = at("2025-03-03 09:00:00")
    bars = [
        SAMPLES["bar"]._replace(
            venue="shfe",
            symbol="rb2505",
            interval="1m",
            ts_open=opened + n * 60 * 10**9,
            seq=n,
            open=Decimal(n),
            ts_close=opened + (n + 1) * 60 * 10**9,
            high=Decimal(n + 2),
            low=Decimal(n),
            close=Decimal(n + 1),
            volume=Decimal(3),
            turnover=Decimal("30.5"),
            ticks=2,
            gap=n == 1,
            revision=0,
        )
        for n in range(4)
    ]
    await put(pair.store, BAR, [*bars, bars[2]._replace(interval="5m", volume=Decimal(999))])
    assert (await read(pair, Statistics("rb2505", opened, None))).column("multiplier").to_pylist() == [None]
    terms = [
        SAMPLES["instrument"]._replace(
            venue="shfe",
            symbol=symbol,
            product=product,
            class_=kind,
            underlying=under,
            ts_event=day,
            seq=day,
            multiplier=Decimal(day),
        )
        for symbol, product, kind, under, day in (
            ("rb2505", "rb", "future", "", 1),
            ("rb2505", "rb", "future", "", 10),
            ("cu2505", "cu", "future", "", 1),
            ("cu2505C9", "cu_o", "option", "cu2505", 1),
        )
    ]
    await put(pair.store, INSTRUMENT, terms, first=50)
    (row,) = (await read(pair, Statistics("rb2505", opened + 60 * 10**9, opened + 3 * 60 * 10**9))).to_pylist()
    assert (row["bars"], row["ticks"], row["gaps"], row["volume"], row["turnover"]) == (2, 4, 1, 6, 61)
    assert (row["open"], row["high"], row["low"], row["close"], row["multiplier"]) == (1, 4, 1, 3, 10)
    assert (row["ts_from"], row["ts_to"]) == (opened + 60 * 10**9, opened + 3 * 60 * 10**9)
    assert (await read(pair, Statistics("nope", None, None))).num_rows == 0
    for search, symbols in (
        (InstrumentSearch(), ["cu2505", "cu2505C9", "rb2505"]),
        (InstrumentSearch("CU25"), ["cu2505", "cu2505C9"]),
        (InstrumentSearch(class_="option"), ["cu2505C9"]),
        (InstrumentSearch(product="rb", venue="shfe"), ["rb2505"]),
        (InstrumentSearch(limit=2), ["cu2505", "cu2505C9"]),
        (InstrumentSearch("%"), []),
        (InstrumentSearch("' OR 1"), []),
    ):
        found = await read(pair, Instruments(search))
        assert found.column("symbol").to_pylist() == symbols, search
    assert found.column_names == list(INSTRUMENT.fields)
    (newest,) = (await read(pair, Instruments(InstrumentSearch("rb25")))).to_pylist()
    assert newest["multiplier"] == 10
    (then,) = (await read(pair, Instruments(InstrumentSearch("rb25", at=9)))).to_pylist()
    assert then["multiplier"] == 1, "the terms as they were known then"
    assert (await read(pair, Instruments(InstrumentSearch("rb25", at=1 << 40)))).num_rows == 1


async def test_ranges_are_half_open_and_last_gives_the_newest(pair: Pair) -> None:
    await put(pair.store, TICK, TICKS)
    middle = await read(pair, Records("tick", "rb2505", ts_from=TICKS[10].ts_event, ts_to=TICKS[20].ts_event))
    assert middle.column("seq").to_pylist() == list(range(11, 21))
    newest = await read(pair, Records("tick", "rb2505", limit=3, last=True))
    assert newest.column("seq").to_pylist() == [48, 49, 50]
    assert (await read(pair, Records("tick", "none", limit=3, last=True))).num_rows == 0
    latest = await read(pair, Latest("tick", ("rb2505", "none")))
    assert latest.column("seq").to_pylist() == [50]
    assert (await read(pair, Symbols())).to_pylist()[0]["ticks"] == 50


async def test_series_of_bars_and_klines_have_their_bounds_and_rows(pair: Pair) -> None:
    assert (await read(pair, BarSeries())).num_rows == 0
    bar, kline = SAMPLES["bar"], SAMPLES["kline"]
    later = [bar._replace(ts_open=bar.ts_open + n * 60 * 10**9) for n in (3, 1, 0, 0)]
    await put(pair.store, BAR, [bar, *later, bar._replace(interval="5m"), bar._replace(venue="aaa")], 1)
    await put(pair.store, KLINE, [kline], 2)
    found = await read(pair, BarSeries())
    assert found.schema.names == BAR_SERIES.names
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("bar", "aaa", bar.symbol, bar.interval, bar.ts_open, bar.ts_open, 1),
        ("bar", bar.venue, bar.symbol, bar.interval, bar.ts_open, bar.ts_open + 180 * 10**9, 3),
        ("bar", bar.venue, bar.symbol, "5m", bar.ts_open, bar.ts_open, 1),
        ("kline", kline.venue, kline.symbol, kline.interval, kline.ts_open, kline.ts_open, 1),
    ]


async def test_a_later_revision_replaces_a_bar_in_whatever_order_they_come(pair: Pair) -> None:
    bar = SAMPLES["bar"]._replace(revision=0, close=Decimal(1))
    await put(pair.store, BAR, [bar._replace(revision=2, close=Decimal(3))], 1)
    await put(pair.store, BAR, [bar, bar._replace(revision=1, close=Decimal(2))], 2)
    (row,) = (await read(pair, Records("bar", bar.symbol, interval="1m"))).to_pylist()
    assert (row["revision"], row["close"]) == (2, 3)


STRANGE = [
    "rb2505' OR 1=1 --",
    "rb2505\\",
    "'; DROP TABLE market.market_ticks; --",
    "a\tb",
    "{x:String}",
    "%",
    "rb2505\n",
]


async def test_text_of_callers_is_never_part_of_a_statement(pair: Pair, subtests: pytest.Subtests) -> None:
    await put(pair.store, TICK, TICKS)
    for text in STRANGE:
        with subtests.test(text=text):
            for query in (Records("tick", text), Records("tick", "rb2505", venue=text), Latest("tick", (text,))):
                with contextlib.suppress(QueryError):  # no name at all: refused before the store is asked
                    assert (await read(pair, query)).num_rows == 0
            assert (await read(pair, Records("tick", "rb2505"))).num_rows == 50


async def test_a_number_the_table_cannot_hold_exactly_is_refused(pair: Pair) -> None:
    with pytest.raises(RowError, match="20 integer and 18 fraction digits"):
        await put(pair.store, TICK, [TICKS[0]._replace(last=Decimal("1." + "1" * 19))])


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Records("bar", "", interval="1m"), "symbol: expected"),
        (Records("bar", "rb2505"), "interval: expected one"),
        (Records("bar", "rb2505", interval="7x"), "interval: expected"),
        (Records("bar", "rb2505", interval="1m", venue="X"), "venue: expected"),
        (Records("bar", "rb2505", interval="1m", ts_from=5, ts_to=4), "ts_to: expected at or after"),
        (Records("bar", "rb2505", interval="1m", limit=0), "limit: expected 1 to"),
        (Records("bar", "rb2505", interval="1m", ts_from=-1), "ts_from: expected"),
    ],
)
def test_questions_that_cannot_be_answered_name_the_parameter(query: Records, text: str) -> None:
    with pytest.raises(QueryError, match=text):
        checked(query)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-10-09", at("2018-10-09 00:00:00")),
        ("20181009", at("2018-10-09 00:00:00")),
        ("2018-10-09T21:00", at("2018-10-09 21:00:00")),
        ("2018-10-09T13:00:00Z", at("2018-10-09 21:00:00")),
        ("1539003600000000000", 1539003600000000000),
        (None, None),
    ],
)
def test_times_are_read_as_people_write_them(text: str | None, expected: int | None) -> None:
    assert parse_time(text, "from") == expected
    with pytest.raises(QueryError, match="from: expected a date or time"):
        parse_time("yesterday", "from")
