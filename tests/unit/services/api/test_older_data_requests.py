"""Requests of an older data manager as those of today: names, ranges, modes; and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from marketprism_application.errors import QueryError
from marketprism_services.api.older import data_requests as older

JANUARY = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 10**9
DAY = 86_400 * 10**9
SERIES = {"venue": "binance-usdm", "kind": "kline", "interval": "1h"}


def test_a_download_of_one_pair_in_a_range() -> None:
    asked = {"symbol": "BTCUSDT", "interval": "1m", "start": "2024-01-01", "end": "2024-01-03"}
    found = older.download(asked)
    assert found == older.Successor(
        "POST",
        ("downloads",),
        {
            "venue": "binance-usdm",
            "kind": "kline",
            "interval": "1m",
            "symbols": ["BTC-USDT-PERP"],
            "ts_from": JANUARY,
            "ts_to": JANUARY + 2 * DAY,
            "mode": "missing",
        },
    )
    assert older.download({**asked, "mode": "full"}).values["mode"] == "all"


def test_days_back_end_now_or_where_they_are_told_to() -> None:
    before = time.time_ns()
    found = older.check({"symbols": "BTCUSDT,ethusdt, BTC-USDT-PERP", "days_back": 7}).values
    assert before - 7 * DAY <= int(str(found["ts_from"])) <= time.time_ns() - 7 * DAY
    assert "ts_to" not in found
    assert found["symbols"] == ["BTC-USDT-PERP", "ETH-USDT-PERP"]
    bounded = older.check({"symbol": "BTCUSDT", "days_back": "2", "end_time": 1704067200000}).values
    assert (bounded["ts_from"], bounded["ts_to"]) == (JANUARY - 2 * DAY, JANUARY)


def test_without_a_name_every_perpetual_is_meant() -> None:
    assert older.check({}).values == {**SERIES, "pattern": "*-USDT-PERP"}
    listed = older.check({"symbols": ["BTCUSDT", "1000SHIBUSDT"], "venue": "binance"}).values
    assert listed["symbols"] == ["BTC-USDT", "1000SHIB-USDT"]


@pytest.mark.parametrize(
    ("work", "given", "found"),
    [
        (
            older.report,
            {"check": "c1", "format": "markdown"},
            older.Successor("GET", ("checks", "c1", "reports", "0"), {"format": "md"}),
        ),
        (
            older.report,
            {"symbol": "BTCUSDT"},
            older.Successor("POST", ("checks",), {**SERIES, "symbols": ["BTC-USDT-PERP"]}),
        ),
        (
            older.recheck,
            {"check": "c1", "witnesses": ["kline"]},
            older.Successor("POST", ("checks", "c1", "recheck"), {"witnesses": ["kline"]}),
        ),
        (
            older.repair,
            {"check": "c1", "dry_run": True},
            older.Successor("POST", ("checks", "c1", "repairs"), {"dry_run": True}),
        ),
        (
            older.repair,
            {"symbol": "BTCUSDT"},
            older.Successor("POST", ("downloads",), {**SERIES, "symbols": ["BTC-USDT-PERP"], "mode": "missing"}),
        ),
        (
            older.top_gainers,
            {"date": "2024-05-06", "limit": "5"},
            older.Successor(
                "GET", ("universe",), {"rank": "change", "top": 5, "venue": "binance-usdm", "day": "20240506"}
            ),
        ),
        (
            older.dates,
            {"interval": "1h", "symbol": "BTCUSDT", "start": "2024-01-01"},
            older.Successor("GET", ("coverage", "BTC-USDT-PERP"), {**SERIES, "from": JANUARY}),
        ),
    ],
)
def test_each_path_has_its_successor(
    work: Callable[[Any], older.Successor], given: Any, found: older.Successor
) -> None:
    assert work(given) == found


@pytest.mark.parametrize(
    ("work", "given", "text"),
    [
        (older.download, {"symbl": "BTCUSDT"}, "symbl"),
        (older.download, {"symbol": 5}, "symbol: expected str, was int"),
        (older.download, {"symbol": "BTCUSDT", "mode": "some"}, "mode: expected one of single, missing"),
        (older.download, {"symbol": "BTCUSDT", "days_back": 0}, "days_back: expected 1 to 3653, was 0"),
        (older.download, {"symbol": "BTCUSDT", "days_back": "many"}, "days_back: expected"),
        (older.download, {"days_back": 3, "start": "2024-01-01"}, "days_back: expected without a start"),
        (older.download, {"start": "yesterday"}, "start: expected a date or time"),
        (older.download, {"start": "2024-01-02", "end": "2024-01-01"}, "end: expected after the start"),
        (older.download, {"start": "2024-01-02", "start_time": 5}, "start_time: expected without start"),
        (older.recheck, {}, "check: expected a value, was none"),
        (older.repair, {"dry_run": True}, "dry_run: expected with the check"),
        (older.top_gainers, {"day": "today"}, "day: expected a day like 2024-05-06, was 'today'"),
        (older.dates, {"interval": "1h"}, "symbol: expected a value, was none"),
    ],
)
def test_what_is_wrong_is_named(work: Callable[[Any], older.Successor], given: Any, text: str) -> None:
    with pytest.raises(QueryError, match=text.replace("(", r"\(")):
        work(given)
