"""Rows that a read service answers, as a run takes them."""

from __future__ import annotations

import pytest

from marketprism_application.backtesting.errors import NoDataError
from marketprism_application.backtesting.settings import FillMode
from marketprism_client import MarketClient
from marketprism_services.cli.backtest_data import DataAsked
from marketprism_services.cli.backtest_stored import read_stored
from tests.integration.query.read_side import COUNT, MINUTE, OPENED, Serve, filled, serve

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
