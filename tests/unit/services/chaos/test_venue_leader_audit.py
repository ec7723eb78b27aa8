"""What the audit of a venue's leaders takes for lost, doubled and wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_adapters.venues.kit.simulated_market import SimulatedTrade
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_services.chaos.report import Report
from marketprism_services.chaos.venue_leaders.audit import count_missing, wrong_bars

MADE = [SimulatedTrade(number, number * 20_000, f"{100 + number}.00", "0.500", False) for number in range(1, 13)]


@pytest.mark.parametrize(
    ("ids", "lost", "duplicated", "wrong"),
    [
        (list(range(1, 13)), 0, 0, 0),
        ([1, 2, 4, *range(5, 13)], 1, 0, 0),
        ([1, 2, 2, *range(3, 13)], 0, 1, 0),
        ([1, 3, 2, *range(4, 13)], 0, 0, 1),
    ],
)
def test_each_trade_has_to_be_there_once_and_in_order(ids: list[int], lost: int, duplicated: int, wrong: int) -> None:
    report = Report("audit", 1, "")
    assert count_missing(ids, MADE, [], report) == 0
    assert (report.lost, report.duplicated, report.wrong) == (lost, duplicated, wrong)


def test_what_lies_in_a_gap_is_missing_and_not_lost() -> None:
    report = Report("audit", 1, "")
    hole = Gap("v", "s", "x", 0, 0, 0, 0, 0, 50_000 * 10**6, 70_000 * 10**6, "missing_trades")
    assert count_missing([1, 2, *range(5, 13)], MADE, [hole], report) == 1
    assert report.lost == 1


def test_a_bar_has_to_be_the_sum_of_its_trades_with_their_first_and_last_price() -> None:
    def bar(minute: int, first: int, last: int, volume: str, *, gap: bool = False) -> Bar:
        prices = [Decimal(100 + each) for each in (first, last)]
        return Bar(
            "v",
            "s",
            "x",
            1,
            0,
            0,
            0,
            0,
            "1m",
            minute * 60_000 * 10**6,
            (minute + 1) * 60_000 * 10**6,
            "",
            prices[0],
            max(prices),
            min(prices),
            prices[1],
            Decimal(volume),
            Decimal(0),
            gap=gap,
        )

    # Trades of the first and the last minute may be cut off; 3 to 5, 6 to 8 and 9 to 11 are whole.
    right = {60_000: bar(1, 3, 5, "1.5"), 120_000: bar(2, 6, 8, "1.5"), 180_000: bar(3, 9, 11, "1.5")}
    assert wrong_bars(right, MADE) == 0
    assert wrong_bars({**right, 120_000: bar(2, 6, 8, "1.0")}, MADE) == 1
    assert wrong_bars({**right, 120_000: bar(2, 8, 6, "1.5")}, MADE) == 1
    assert wrong_bars({**right, 120_000: bar(2, 6, 8, "1.0", gap=True)}, MADE) == 0
    assert wrong_bars({60_000: right[60_000], 180_000: right[180_000]}, MADE) == 1
    in_contracts = {minute: each._replace(volume=each.volume * 10) for minute, each in right.items()}
    assert (wrong_bars(in_contracts, MADE, 10), wrong_bars(right, MADE, 10)) == (0, 3)
