"""Fields of a depth message that are missing, of another kind or out of range: named, counted, never a tick."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketprism_adapters.counters.depth.fields import BadField
from marketprism_adapters.counters.depth.messages import CTP_COLUMNS, Skipped
from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at

DBL_MAX, FLT_MAX = 1.7976931348623157e308, 3.4028234663852886e38
GOOD: dict[str, Any] = {
    **dict.fromkeys(CTP_COLUMNS, DBL_MAX),
    **{name: 0 for name in CTP_COLUMNS if "Volume" in name},
    "TradingDay": "20250304",
    "ActionDay": "20250303",
    "InstrumentID": "ru2505",
    "ExchangeID": "",
    "UpdateTime": "21:00:01",
    "UpdateMillisec": 5,
    "LastPrice": 17005.0,
    "Volume": 3,
    "Turnover": 510150.0,
}


def test_a_message_with_hardly_a_value_is_a_tick_of_what_it_has(calendar: MarketCalendar) -> None:
    tick = DepthReader(calendar, "ctp").tick(GOOD, 1, 7)
    assert isinstance(tick, Tick)
    assert (tick.ts_event, tick.ts_recv, tick.trading_day) == (at("2025-03-03 21:00:01.005"), 7, "20250304")
    assert (tick.last, tick.volume, tick.open_interest, tick.limit_up) == (Decimal(17005), 3, None, None)
    assert tick.bids == tick.asks == ()


@pytest.mark.parametrize("name", [*CTP_COLUMNS])
@pytest.mark.parametrize("huge", [DBL_MAX, -DBL_MAX, FLT_MAX, float("nan"), float("inf")])
def test_no_value_of_any_double_gets_through(calendar: MarketCalendar, name: str, huge: float) -> None:
    if isinstance(GOOD[name], str) or name == "UpdateMillisec":
        return
    tick = DepthReader(calendar, "ctp").tick({**GOOD, name: huge}, 1)
    assert isinstance(tick, Tick)
    assert all(abs(value) < 10**20 for value in tick if isinstance(value, Decimal))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"UpdateMillisec": 1_000}, "column UpdateMillisec: expected 0 to 999, was '1000'"),
        ({"UpdateMillisec": -1}, "column UpdateMillisec: expected 0 to 999, was '-1'"),
        ({"ActionDay": "20251301"}, "column ActionDay: expected a date as YYYYMMDD, was '20251301'"),
        ({"ActionDay": "", "TradingDay": "soon"}, "column TradingDay: expected a date as YYYYMMDD, was 'soon'"),
        ({"InstrumentID": "zz9999"}, "column ExchangeID: expected an exchange, because the product is not a known one"),
        ({"InstrumentID": ""}, "symbol: expected"),
        ({"LastPrice": "dear"}, "column LastPrice: expected a number, was 'dear'"),
    ],
)
def test_a_field_out_of_range_is_named_with_what_was_expected(
    calendar: MarketCalendar, changed: dict[str, Any], text: str
) -> None:
    with pytest.raises((BadField, InvalidValue)) as caught:
        DepthReader(calendar, "ctp").tick({**GOOD, **changed}, 1)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("clock", ["99:99:99", "24:00:00", "9:00:00", "", "21:00"])
def test_a_time_that_is_none_is_passed_over_and_counted(calendar: MarketCalendar, clock: str) -> None:
    found = DepthReader(calendar, "ctp").tick({**GOOD, "UpdateTime": clock}, 1)
    assert isinstance(found, Skipped)
    assert (found.reason, repr(clock) in found.text) == ("unreadable_time", True)


@pytest.mark.parametrize("name", ["InstrumentID", "LastPrice", "AskVolume5", "TradingDay"])
def test_a_missing_field_is_named(calendar: MarketCalendar, name: str) -> None:
    with pytest.raises(BadField, match=f"column {name}: expected a field of the depth message, was 'missing'"):
        DepthReader(calendar, "ctp").tick({key: value for key, value in GOOD.items() if key != name}, 1)
