"""The history of a gateway is a datafeed's."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marketprism_adapters.downloads.datafeed import datafeed_history, datafeed_named
from marketprism_application.errors import SourceError
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.vnpy_sources import QUICK, TEN


async def test_bars_of_query_history_are_rows_and_its_connection_is_left(
    vnpy: Any, calendar: MarketCalendar, eventually: Callable[..., Any]
) -> None:
    objects, constants = (importlib.import_module(f"vnpy.trader.{name}") for name in ("object", "constant"))
    prices = dict.fromkeys(("open_price", "high_price", "low_price", "close_price"), 3700.0)
    vnpy.ScriptedGateway.bars = [
        objects.BarData(
            gateway_name="T",
            symbol="rb2505",
            exchange=constants.Exchange.SHFE,
            datetime=TEN + timedelta(minutes=number),
            interval=constants.Interval.MINUTE,
            volume=10.0 + number,
            **prices,
        )
        for number in range(5)
    ]
    begin = int(TEN.timestamp()) * 10**9
    dataset = Dataset("bar", "shfe", "rb2505", "1m", begin, begin + 5 * 60 * 10**9)
    name = f"vnpy:{vnpy.__name__}.ScriptedGateway"
    async with datafeed_history(name, "shfe", calendar, QUICK) as history:
        (part,) = await history.plan(dataset)
        rows = (await history.fetch(part)).rows
    assert [int(each) for each in rows.column("volume").to_pylist()] == [10, 11, 12, 13, 14]
    (gateway,) = vnpy.ScriptedGateway.made
    assert [each for each, _ in vnpy.ScriptedGateway.calls] == ["connect", "query_history"]
    await eventually(lambda: gateway.closed == 1)


async def test_a_gateway_that_is_not_there_or_has_no_history_is_told(vnpy: Any, calendar: MarketCalendar) -> None:
    name = f"vnpy:{vnpy.__name__}.ScriptedGateway"
    vnpy.ScriptedGateway.script = staticmethod(lambda gateway: gateway.write_log("行情服务器登录失败"))
    with pytest.raises(SourceError, match="expected to be logged in: 行情服务器登录失败"):
        async with datafeed_history(name, "shfe", calendar, replace(QUICK, connect_s=0.05)):
            pass
    vnpy.ScriptedGateway.query_history = vnpy.BaseGateway.query_history
    with pytest.raises(SourceError, match="expected a gateway with a history of its own"):
        datafeed_named(name, QUICK)
