"""What is said of a rejected tick: the field, what it should have been, and the row as it came."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rejections import findings, row_of
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.validation import ERRORS, TickValidationService
from marketprism_domain.values import BookLevel
from tests.fakes.ticks import at, book, tick

D = Decimal
AT = "2025-03-03 09:00:00"
BEFORE = tick(AT, 100, 10, seq=1)
LIMITS: dict[str, Any] = {"limit_up": D(110), "limit_down": D(90), "seq": 2}


def later(last: object = 100, volume: int | None = 11, **more: Any) -> Tick:
    return tick("2025-03-03 09:00:01", last, volume, **{"seq": 2, **more})  # type: ignore[arg-type]


def levels(*prices: int, amount: int = 1) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(D(price), D(amount)) for price in prices)


CASES = [
    (later(volume=None), ("missing_volume", "volume", "present", "", "")),
    (BEFORE._replace(source_seq=2), ("duplicate", "ts_event", "another", str(at(AT)), str(at(AT)))),
    (
        tick("2025-03-03 08:59:59", 100, 11, seq=2),
        ("time_reversed", "ts_event", "at_least", str(at(AT)), str(at("2025-03-03 08:59:59"))),
    ),
    (later(day="20250228"), ("time_reversed", "trading_day", "at_least", "20250303", "20250228")),
    (later(111, **LIMITS), ("price_above_limit", "last", "at_most", "110", "111")),
    (later(100, **LIMITS, high=D(120)), ("price_above_limit", "high", "at_most", "110", "120")),
    (later(89, **LIMITS), ("price_below_limit", "last", "at_least", "90", "89")),
    (later(100, **LIMITS, low=D("1.50")), ("price_below_limit", "low", "at_least", "90", "1.50")),
    (later(90, **LIMITS, low=D(85)), ("price_below_limit", "low", "at_least", "90", "85")),
    (later(150, pre_settlement=D(100)), ("price_outside_band", "last", "between", "90…110", "150")),
    (later(volume=-5), ("volume_negative", "volume", "at_least", "0", "-5")),
    (later(volume=9), ("volume_fell", "volume", "at_least", "10", "9")),
    (later(volume=11, turnover=D(5)), ("turnover_fell", "turnover", "at_least", "10000", "5")),
    (later(**book(101, 100)), ("book_crossed", "bids", "below", "100", "101")),
    (later(bids=levels(99, 100)), ("book_order", "bids", "falling", "", "99 100")),
    (later(asks=levels(101, 100)), ("book_order", "asks", "rising", "", "101 100")),
    (later(asks=levels(101, amount=-3)), ("book_quantity_negative", "asks", "at_least", "0", "-3")),
    (
        later(settlement=D("1.7976931348623157E+308")),
        ("huge_value", "settlement", "number", "", "1.7976931348623157E+308"),
    ),
    (
        later(bids=(BookLevel(D("1.7976931348623157E+308"), D(1)),)),
        ("huge_value", "bids", "number", "", "1.7976931348623157E+308"),
    ),
    (later("NaN"), ("unfit_value", "last", "number", "", "NaN")),
]


@pytest.mark.parametrize(("row", "expected"), CASES)
def test_a_finding_names_the_field_and_what_it_should_have_been(
    calendar: MarketCalendar, row: Tick, expected: tuple[str, ...]
) -> None:
    rules = ValidationRules()
    placement = calendar.schedule(row.venue, row.symbol).place(row.ts_event)
    errors = TickValidationService(rules).check(row, BEFORE, placement).errors
    assert expected in {tuple(each) for each in findings(row, BEFORE, errors, rules)}
    assert len(findings(row, BEFORE, errors, rules)) == len(errors)


def test_every_reason_to_reject_is_explained() -> None:
    assert {expected[0] for _, expected in CASES} == ERRORS


def test_the_row_has_what_came_and_nothing_of_ours() -> None:
    ours = {"phase": "continuous", "verdict": "accepted", "quality_score": 100, "rules_version": 3}
    row = row_of(later(D("100.50"), bids=levels(100, 99))._replace(epoch=7, seq=8, ts_pub=9, **ours))
    assert row["last"] == "100.50"
    assert row["bids"] == [["100", "1"], ["99", "1"]]
    assert row["ts_event"] == str(at("2025-03-03 09:00:01"))
    assert {"epoch", "seq", "ts_pub", "asks", "open", *ours} & row.keys() == set()
