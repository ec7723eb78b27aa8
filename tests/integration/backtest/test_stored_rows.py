"""Rows that a read service answers, as a run takes them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from marketprism_application.backtesting.book_columns import REPLACES, UPDATES
from marketprism_application.backtesting.errors import NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.backtesting.stored_halts import stored_halts
from marketprism_application.backtesting.stored_rows import RowsAsked, stored_rows
from marketprism_application.contracts.kinds import BAR, EVENT, FUNDING_RATE, GAP, INSTRUMENT, ORDERBOOK, TICK, TRADE
from marketprism_application.contracts.questions import Dominant, Instruments, Question, Records
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.continuous import ROLLS
from marketprism_client import MarketClient
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY
from marketprism_domain.trading.halts import Halted
from marketprism_domain.values import BookLevel
from marketprism_services.cli.backtest_data import DataAsked
from marketprism_services.cli.backtest_stored import read_stored
from tests.contract.test_codec import SAMPLES
from tests.integration.query.read_side import COUNT, MINUTE, OPENED, Serve, bar, filled, serve
from tests.support.backtests import ns

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


async def test_stored_bars_and_ticks_are_the_rows_of_a_run(serve: Serve) -> None:
    api = await serve()
    async with MarketClient(api.url) as market:
        bars = await read_stored(market, ["rb2510", "rb2505"], DataAsked((), "1m", FillMode.BAR))
        ticks = await read_stored(market, ["rb2505"], DataAsked((), "", FillMode.QUOTE))
        asked = DataAsked((), "1m", FillMode.BAR, ts_from=OPENED + 60 * MINUTE, ts_to=OPENED + 90 * MINUTE)
        with pytest.raises(NoDataError):
            await read_stored(market, ["rb2505"], asked)
    assert [data.instrument.key for data in bars.instruments] == [("shfe", "rb2505"), ("shfe", "rb2510")]
    first = bars.instruments[0]
    columns = first.bars["1m"]
    assert (len(columns), int(columns.ts_open[0]), int(columns.day[0])) == (10, OPENED, 20250303)
    assert [str(int(columns.close[0]) * first.unit), first.instrument.terms.multiplier] == ["1.5", 10]
    found = ticks.instruments[0].ticks
    assert found is not None
    assert (len(found), list(found.seq[:3])) == (COUNT, [1, 2, 3])
    assert ticks.instruments[0].unit * int(found.last[1]) == 3001.5


def leading(symbol: str, day: str, close: str) -> Bar:
    """A minute of a contract at the beginning of a trading day."""
    opened = ns("09:00:00", f"{day[:4]}-{day[4:6]}-{day[6:]}")
    at = {"ts_open": opened, "ts_close": opened + MINUTE, "ts_event": opened + MINUTE, "trading_day": day}
    return bar(0, close, symbol=symbol)._replace(**at)


async def test_a_product_in_one_line_is_asked_for_by_its_name() -> None:
    rolls = [
        {"trading_day": "20250303", "symbol": "rb2505", "previous": "", "previous_close": None, "close": None},
        {
            "trading_day": "20250305",
            "symbol": "rb2510",
            "previous": "rb2505",
            "previous_close": Decimal("1.5"),
            "close": Decimal("1.2"),
        },
    ]
    stored = [
        leading(symbol, day, close)
        for symbol, close in (("rb2505", "1.5"), ("rb2510", "1.2"))
        for day in ("20250303", "20250304", "20250305", "20250306")
    ]
    asked: list[tuple[str, str | None, str | None]] = []

    async def ask(question: Question) -> pa.Table:
        if isinstance(question, Dominant):
            return pa.Table.from_pylist(rolls, ROLLS)
        if isinstance(question, Instruments):
            return NO_TERMS
        assert isinstance(question, Records)
        if question.kind != BAR.name:
            return schema_of(question.kind).empty_table()
        asked.append((question.symbol, question.from_day, question.to_day))
        first, last = question.from_day or "", question.to_day or "9"
        found = [each for each in stored if each.symbol == question.symbol and first <= each.trading_day <= last]
        return pa.Table.from_pylist([each._asdict() for each in found], schema_of(BAR.name))

    found = await stored_rows(ask, ["continuous:rb"], RowsAsked("1m", FillMode.BAR), given)
    assert asked == [("rb2505", "20250303", "20250305"), ("rb2510", "20250305", None)]
    assert [(data.instrument.symbol, data.silent) for data in found.instruments] == [
        ("rb2505", True),
        ("rb2510", True),
        ("continuous:rb", False),
    ]
    view = found.instruments[-1]
    closes = [str(int(each) * view.unit) for each in view.bars["1m"].close]
    assert (closes, list(view.bars["1m"].day)) == (["1.5"] * 4, [20250303, 20250304, 20250305, 20250306])
    assert [tuple(roll) for roll in found.rolls] == [(ns("09:00:00", "2025-03-05"), "shfe", "rb2505", "rb2510")]
    late = RowsAsked("1m", FillMode.BAR, ts_from=ns("09:00:00", "2025-03-06"))
    alone = await stored_rows(ask, ["continuous:rb", "rb2510"], late, given)
    assert [(data.instrument.symbol, data.silent) for data in alone.instruments[:1]] == [("rb2510", False)]


async def test_a_perpetual_has_its_rates_its_book_and_its_trades() -> None:
    """Of the rates before a settlement the last one is paid; a contract's last day is that of its stored terms."""
    rows = RECORDED

    async def ask(question: Question) -> pa.Table:
        if isinstance(question, Instruments):
            terms = {"venue": "binance", "symbol": "BTC-USDT-PERP", "expire_day": "20240105"}
            return pa.Table.from_pylist([terms, {**terms, "symbol": "BTC-USDT-PERP-2"}])
        assert isinstance(question, Records)
        of = next(
            each for each in (TICK, ORDERBOOK, TRADE, FUNDING_RATE, GAP, INSTRUMENT) if each.name == question.kind
        )
        return pa.Table.from_pylist([each._asdict() for each in rows.get(of.name, ())], schema_of(of.name))

    asked = RowsAsked("", FillMode.QUEUE)
    found = (await stored_rows(ask, ["BTC-USDT-PERP"], asked, given)).instruments[0]
    assert [(row.ts, str(row.rate)) for row in found.funding] == [(FUNDS_AT, "0.0002")]
    assert found.books is not None
    assert found.trades is not None
    assert found.books.form.tolist() == [REPLACES, UPDATES]
    assert (found.books.prices * float(found.unit)).round(2).tolist() == [99.5, 100.0, 99.5]
    assert found.trades.taker.tolist() == [-1]  # the one beside the book is left out
    assert found.instrument.last_day == "20240105"
    assert found.halts == (Halted(OPENED + 2 * MINUTE, OPENED + 4 * MINUTE),)


async def test_halts_of_a_product_are_those_of_its_counter() -> None:
    """A halt ends with the next word of trading, of the same product; words about others are none."""
    words = [
        (1, "MarketStatusReceived", {"product": "rb", "status": "continuous"}),
        (2, "MarketHalted", {"product": "cu", "reason": "cu: break"}),
        (3, "MarketHalted", {"product": "rb", "reason": "rb: break where the table says continuous"}),
        (4, "MarketStatusReceived", {"product": "rb", "status": "auction_order"}),
        (5, "TradingSessionOpened", {"product": "cu", "section": 2}),
        (6, "MarketStatusReceived", {"product": "RB", "status": "continuous"}),
        (7, "TradingSessionResumed", {"product": "rb", "section": 2}),
        (8, "DataGapDetected", {"product": "rb"}),
    ]
    stored = [
        SAMPLES["event"]._replace(venue="shfe", symbol="", ts_event=OPENED + n * MINUTE, name=name, data=data)
        for n, name, data in words
    ]
    asked: list[Records] = []

    async def ask(question: Question) -> pa.Table:
        assert isinstance(question, Records)
        asked.append(question)
        rows = [{**each._asdict(), "data": json.dumps(each.data)} for each in stored]
        return pa.Table.from_pylist(rows).select(list(question.fields))

    found = await stored_halts(ask, "shfe", "rb2505", OPENED, OPENED + 60 * MINUTE)
    assert found == (Halted(OPENED + 3 * MINUTE, OPENED + 6 * MINUTE),)
    assert [(each.kind, each.symbol, each.venue) for each in asked] == [(EVENT.name, "", "shfe")]
    assert asked[0].ts_from == OPENED - NANOS_PER_DAY


def recorded(kind: str, seq: int, **fields: object) -> object:
    at = OPENED + seq * MINUTE
    common = {"venue": "binance", "symbol": "BTC-USDT-PERP", "seq": seq, "ts_event": at, "ts_recv": at, "ts_pub": at}
    return SAMPLES[kind]._replace(**common, **fields)


FUNDS_AT = OPENED + 8 * 3600 * 10**9
RECORDED: dict[str, list[object]] = {
    "tick": [recorded("tick", 1, trading_day="20250303")],
    "funding_rate": [
        recorded("funding_rate", seq, rate=Decimal(rate), ts_funding=FUNDS_AT, settled=False, mark_price=None)
        for seq, rate in ((1, "0.0001"), (2, "0.0002"))
    ],
    "orderbook": [
        recorded(
            "orderbook",
            1,
            form="snapshot",
            bids=(BookLevel(Decimal("99.5"), Decimal(2)),),
            asks=(BookLevel(Decimal(100), Decimal(1)),),
        ),
        recorded("orderbook", 2, form="update", bids=(BookLevel(Decimal("99.5"), Decimal(0)),), asks=()),
    ],
    "instrument": [
        recorded("instrument", seq, status=status)
        for seq, status in ((1, "trading"), (2, "halted"), (3, "halted"), (4, "trading"))
    ],
    "trade": [
        recorded("trade", seq, price=Decimal("99.5"), quantity=Decimal(1), side="sell", off_book=off)
        for seq, off in ((1, False), (2, True))
    ],
}
NO_TERMS = pa.table({name: pa.array([], pa.string()) for name in ("venue", "symbol", "expire_day")})


def given(venue: str, symbol: str, on: date) -> Instrument:
    return Instrument(venue, symbol)
