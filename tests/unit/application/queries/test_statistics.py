"""The average price of a range, for each way in which venues count what was traded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from marketprism_application.queries.statistics import COLUMNS, with_vwap

NUMBERS = ("volume", "turnover", "multiplier", "low", "high")


def row(**given: Any) -> dict[str, Any]:
    plain: dict[str, Any] = dict.fromkeys(COLUMNS.names)
    return {**plain, "base": "", "inverse": False, **given}


@pytest.mark.parametrize(
    ("given", "price"),
    [
        ({"volume": 10, "turnover": 300_000, "multiplier": 10}, "3000"),  # ten lots of ten tonnes
        (
            {"volume": 1, "turnover": 60_000, "multiplier": "0.01", "base": "BTC"},
            "60000",
        ),  # one BTC, in contracts of 0.01
        (
            {"volume": 100, "turnover": 100, "multiplier": 100, "base": "BTC", "inverse": True},
            None,
        ),  # dollars for dollars
        ({"volume": 10, "turnover": 300_000, "multiplier": None}, None),
        ({"venue": "shfe", "symbol": "rb2505", "volume": 10, "turnover": 300_000, "multiplier": None}, "3000"),
        (
            {"venue": "shfe", "symbol": "rb2505", "volume": 10, "turnover": 300_000, "multiplier": 5},
            "6000",
        ),  # its own list
        (
            {"venue": "czce", "symbol": "AP010", "volume": 10, "turnover": 70_000, "low": 6_900, "high": 7_100},
            "7000",
        ),  # turnover without the contract's size
        (
            {"venue": "czce", "symbol": "AP010", "volume": 10, "turnover": 700_000, "low": 6_900, "high": 7_100},
            "7000",
        ),
        ({"venue": "sse", "symbol": "10004567", "volume": 10, "turnover": 300_000}, None),
        ({"volume": 0, "turnover": 0, "multiplier": 10}, None),
    ],
)
def test_the_average_price_is_money_by_what_was_traded(given: dict[str, Any], price: str | None) -> None:
    numbers = {
        name: Decimal(value) if name in NUMBERS and value is not None else value for name, value in given.items()
    }
    made = with_vwap(pa.Table.from_pylist([row(**numbers)], COLUMNS))
    assert made.column("vwap").to_pylist() == [None if price is None else Decimal(price)]
