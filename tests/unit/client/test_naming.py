"""One name for one thing: live and stored, with an event loop and without, and every kind is there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest

from marketprism_application.contracts.kinds import EVENT, INSTRUMENT, KINDS, VENUE_KINDS
from marketprism_client import MarketClient, QueryFailed, SyncMarketClient
from marketprism_client._history import History, days_of
from marketprism_client._live import LIVE_KINDS, Live
from marketprism_client._sync_history import SyncHistory
from marketprism_client._sync_live import SyncLive


def methods(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers(cls):
        if inspect.isfunction(member) and (not name.startswith("_") or name in {"__init__", "__call__"}):
            yield name, member


def shape(function: Any) -> tuple[list[tuple[str, Any, Any]], str]:
    """Parameters, and what comes back as it is without an event loop."""
    found = inspect.signature(function)
    back = re.sub(r"^LiveStream\[", "SyncStream[", str(found.return_annotation))
    back = re.sub(r"^AsyncIterator\[", "Iterator[", back)
    return [(each.name, each.kind, each.default) for each in found.parameters.values()], back


@pytest.mark.parametrize(
    ("asynchronous", "synchronous"), [(MarketClient, SyncMarketClient), (History, SyncHistory), (Live, SyncLive)]
)
def test_both_clients_have_the_same_methods(asynchronous: type[Any], synchronous: type[Any]) -> None:
    ours = dict(methods(asynchronous))
    others = dict(methods(synchronous))
    others.pop("close", None)
    if asynchronous is not MarketClient:
        ours.pop("__init__")
        others.pop("__init__")
    assert {name: shape(each) for name, each in ours.items()} == {name: shape(each) for name, each in others.items()}
    assert not hasattr(synchronous, "__getattr__"), "type checkers know each method"


def test_every_kind_has_one_name_live_and_stored() -> None:
    live = {name for name, _ in methods(Live) if not name.startswith("_")}
    stored = {name for name, _ in methods(History) if not name.startswith("_")}
    assert stored - live == {"pages"}
    assert live - stored == {"together"}  # several kinds as they come
    assert len(live) == len(LIVE_KINDS) + 1
    assert set(KINDS.values()) - set(LIVE_KINDS) == {EVENT, INSTRUMENT}
    assert set(VENUE_KINDS) < set(LIVE_KINDS)


def test_a_kind_that_is_none_is_refused() -> None:
    market = MarketClient()
    for kind in ("candle", "event", ""):
        with pytest.raises(QueryFailed, match="kind: expected one of tick, bar, "):
            market.live(kind, "ru1901")
    for symbol in ("", " , ", []):
        with pytest.raises(QueryFailed, match="symbol: expected at least one"):
            market.ticks(symbol)
    with pytest.raises(QueryFailed, match="interval: expected a number and one of"):
        market.live.bars("ru1901", "fast")
    with pytest.raises(QueryFailed, match="symbol: expected one for books"):
        market.books("ru1901,rb1901")


@pytest.mark.parametrize(
    ("given", "days"),
    [
        (None, (None, None)),
        ("2018-10-09", ("2018-10-09", "2018-10-09")),
        (date(2018, 10, 9), ("20181009", "20181009")),
        (("20181008", date(2018, 10, 9)), ("20181008", "20181009")),
        ((None, "20181009"), (None, "20181009")),
        (pd.Timestamp("2018-10-09"), ("20181009", "20181009")),
    ],
)
def test_trading_days(given: Any, days: tuple[str | None, str | None]) -> None:
    assert days_of(given) == days


@pytest.mark.parametrize("given", [20181009, ("20181009",), (1, 2), datetime(2018, 10, 9, 21)])  # noqa: DTZ001
def test_what_is_no_trading_day_is_refused(given: Any) -> None:
    with pytest.raises(QueryFailed, match="trading_day: expected "):
        days_of(given)
