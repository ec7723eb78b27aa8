"""How a range is cut: whole units of storage, full pages, nothing twice and nothing left out."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_application.downloads.planning import Cost, Grid, cut
from marketprism_application.downloads.units import span_of, unit_at, units
from marketprism_domain.integrity.dataset import Dataset

MINUTE, DAY = 60_000_000_000, 86_400_000_000_000
BEGIN = 1_704_067_200_000_000_000  # 2024-01-01, a Monday


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000_000  # type: ignore[arg-type]


@given(
    begin=st.integers(0, 2_000_000),
    length=st.integers(1, 3_000_000),
    page=st.sampled_from([100, 300, 499, 1000, 5000]),
    step=st.sampled_from([1, 5, 60]),
)
def test_parts_are_the_range_without_a_seam_and_no_two_share_a_unit(
    begin: int, length: int, page: int, step: int
) -> None:
    ts_from = BEGIN + begin * MINUTE
    dataset = Dataset("kline", "binance", "BTC-USDT", "1m", ts_from, ts_from + length * MINUTE)
    for span in ("day", "month", "year"):
        parts = cut(dataset, span, Cost(page, 2, step * MINUTE))
        assert parts[0].ts_from == dataset.ts_from
        assert parts[-1].ts_to == dataset.ts_to
        assert [part.number for part in parts] == list(range(len(parts)))
        for before, after in itertools.pairwise(parts):
            assert before.ts_to == after.ts_from == unit_at(span, after.ts_from).ts_from
        rows = sum(-(-(part.ts_to - part.ts_from) // (step * MINUTE)) for part in parts)
        assert sum(part.requests for part in parts) * page >= rows


def test_pages_of_parts_are_nearly_full() -> None:
    """Pages of 1000 minutes into files of 1440: as many days together as leave next to nothing of a page unused."""
    dataset = Dataset("kline", "binance", "BTC-USDT", "1m", BEGIN, BEGIN + 366 * DAY)
    for page in (300, 499, 1000, 1500):
        parts = cut(dataset, "day", Cost(page, 2, MINUTE))
        assert sum(part.requests for part in parts) * page < 366 * 1_440 * 1.03


@pytest.mark.parametrize(
    ("kind", "interval", "span"),
    [
        ("kline", "1m", "day"),
        ("kline", "30m", "day"),
        ("kline", "1h", "month"),
        ("kline", "1d", "year"),
        ("trade", "", "day"),
        ("funding_rate", "", "month"),
    ],
)
def test_units_are_as_long_as_rows_are_few(kind: str, interval: str, span: str) -> None:
    assert span_of(kind, interval) == span


def test_units_have_the_names_of_a_hive_layout() -> None:
    assert [unit.name for unit in units("month", ns(2023, 12, 31), ns(2024, 2, 1, 1))] == [
        "month=2023-12",
        "month=2024-01",
        "month=2024-02",
    ]
    assert unit_at("year", ns(2024, 5, 1)) == ("year=2024", ns(2024, 1, 1), ns(2025, 1, 1))
    assert unit_at("day", ns(2024, 2, 29, 23)).name == "day=2024-02-29"


def test_weeks_begin_on_mondays() -> None:
    grid = Grid.of("1w")
    assert grid.from_on(BEGIN) == grid.until(BEGIN + 6 * DAY) == BEGIN
    assert grid.from_on(BEGIN + 1) == BEGIN + 7 * DAY
