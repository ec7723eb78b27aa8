"""Rows that a read service answers, as a run takes them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from marketprism_application.backtesting.errors import NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.backtesting.stored_rows import RowsAsked, stored_rows
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Dominant, Question, Records
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.continuous import ROLLS
from marketprism_client import MarketClient
from marketprism_domain.marketdata.bar import Bar
from marketprism_services.cli.backtest_data import DataAsked
from marketprism_services.cli.backtest_stored import read_stored
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


def given(venue: str, symbol: str, on: date) -> Instrument:
    return Instrument(venue, symbol)
