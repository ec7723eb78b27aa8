"""Prices that may be zero or less, and numbers that no table can take."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks import validation as v
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Rejected
from marketprism_domain.ticks.stream import MarketDataStream
from marketprism_domain.values import BookLevel
from tests.fakes.ticks import tick

SERVICE = v.TickValidationService(ValidationRules())


def verdict(calendar: MarketCalendar, *ticks: Tick) -> tuple[str, ...]:
    """Reasons of the last tick's rejection, or its warnings behind `ok`."""
    stream = MarketDataStream()
    for each in ticks:
        placed = calendar.schedule(each.venue, each.symbol).place(each.ts_event)
        last = stream.accept(each, placed, SERVICE, 1, each.ts_recv)
    if isinstance(last, Rejected):
        return last.reasons
    assert isinstance(last, Tick)
    return ("ok", *last.warnings)


def made(
    last: str,
    volume: int = 10,
    when: str = "2025-03-03 09:00:01",
    instrument: str = "czce.SPD SR509&SR511",
    **prices: str,
) -> Tick:
    venue, symbol = instrument.split(".")
    decimals: dict[str, Any] = {name: Decimal(value) for name, value in prices.items()}
    return tick(when, last, volume)._replace(**{"turnover": None, "venue": venue, "symbol": symbol, **decimals})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (made("-5", limit_up="190", limit_down="-196"), ("ok",)),
        (made("0", limit_up="190", limit_down="-196"), ("ok",)),
        (made("191", limit_up="190", limit_down="-196"), (v.ABOVE_LIMIT,)),
        (made("-197", limit_up="190", limit_down="-196"), (v.BELOW_LIMIT,)),
        (made("-1", limit_up="-2", limit_down="-20"), (v.ABOVE_LIMIT,)),
        (made("5", limit_up="4", limit_down="0"), (v.ABOVE_LIMIT,)),  # 0 is a limit as well
        (made("-3", pre_settlement="3"), ("ok",)),  # without limits a share of a price near zero is no band
        (made("3", pre_settlement="-3", instrument="ine.sc2509TAS"), ("ok",)),
        (
            made("3300", limit_up="0", limit_down="0", pre_settlement="100", instrument="shfe.rb2505"),
            (v.OUTSIDE_BAND,),
        ),
        (made("-37", limit_up="-30", limit_down="-40", instrument="shfe.rb2505"), ("ok",)),
    ],
)
def test_limits_decide_whenever_both_are_sent(calendar: MarketCalendar, given: Tick, expected: tuple[str, ...]) -> None:
    assert verdict(calendar, given) == expected


def test_turnover_of_a_spread_may_fall_with_its_price(calendar: MarketCalendar) -> None:
    first = made("-3", turnover="1000")
    second = made("-4", 11, "2025-03-03 09:00:02", turnover="900")
    assert verdict(calendar, first, second) == ("ok", v.TURNOVER_FELL)


@pytest.mark.parametrize("name", ["last", "volume", "turnover", "limit_up", "pre_close", "average_price", "settlement"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("1" * 25, v.HUGE_VALUE),
        ("-1E+25", v.HUGE_VALUE),
        ("1E+400", v.HUGE_VALUE),
        ("0.1234567890123456789", v.UNFIT_VALUE),
        ("1E-30", v.UNFIT_VALUE),
        ("NaN", v.UNFIT_VALUE),
        ("-Infinity", v.UNFIT_VALUE),
    ],
)
def test_what_no_table_can_take_never_passes(calendar: MarketCalendar, name: str, number: str, reason: str) -> None:
    assert verdict(calendar, tick("2025-03-03 09:00:01", 100, 10)._replace(**{name: Decimal(number)})) == (reason,)


@pytest.mark.parametrize("level", [("1E+25", "1"), ("100", "1E+25"), ("NaN", "1"), ("1E-19", "1")])
def test_nor_does_a_level_of_a_book(calendar: MarketCalendar, level: tuple[str, str]) -> None:
    bids = (BookLevel(Decimal(level[0]), Decimal(level[1])),)
    (reason,) = verdict(calendar, tick("2025-03-03 09:00:01", 100, 10)._replace(bids=bids))
    assert reason in (v.HUGE_VALUE, v.UNFIT_VALUE)


@pytest.mark.parametrize(
    "number", ["99999999999999999999", "0.000000000000000001", "8.5E-7", "12345678901234567890.123456789012345678"]
)
def test_the_widest_numbers_of_the_table_pass(calendar: MarketCalendar, number: str) -> None:
    assert verdict(calendar, tick("2025-03-03 09:00:01", number, 10)) == ("ok",)
