"""The gateway without a connection: what it refuses, and how it says so."""

# ruff: noqa: PLC0415 (the package is loaded on vnpy's like)

from __future__ import annotations

import time
from typing import Any

import pytest

from marketprism_domain.marketdata.tick import Tick
from tests.support.vnpy_like import Exchange, OrderData, Request, Status, veighna
from tests.unit.veighna.test_rows import tick

RU = Request("ru1901", Exchange.SHFE, "7")  # type: ignore[attr-defined]


@pytest.fixture
def events() -> list[Any]:
    return []


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, events: list[Any]) -> Any:
    return veighna(monkeypatch).MarketPrismGateway(events, "MARKETPRISM")


def test_orders_and_quotes_are_refused_in_clear_words(gateway: Any, events: list[Any]) -> None:
    assert (gateway.send_order(RU), gateway.send_order(RU), gateway.send_quote(RU)) == ("", "", "")
    gateway.cancel_order(RU)
    gateway.cancel_quote(RU)
    orders = [each for each in events if isinstance(each, OrderData)]
    assert [(each.status, each.orderid) for each in orders] == [
        (Status.REJECTED, "refused-1"),
        (Status.REJECTED, "refused-2"),
    ]
    lines = [each for each in events if isinstance(each, str)]
    assert len(lines) == 5
    assert lines[0] == (
        "order of ru1901.SHFE: MarketPrism is a source of data and sends no orders; "
        "expected a gateway of the broker for them"
    )
    assert gateway.query_account() is gateway.query_position() is None


def test_without_a_connection_nothing_is_subscribed_and_nothing_is_there(gateway: Any, events: list[Any]) -> None:
    gateway.subscribe(RU)
    assert gateway.query_history(RU) == []
    gateway.connect({"address": "ftp://md1"})
    gateway.close()
    assert [line.partition(":")[0] for line in events] == [
        "subscribe ru1901.SHFE",
        "history of ru1901.SHFE",
        "setting address",
    ]
    assert set(gateway.default_setting) == {"address", "user", "password", "ca", "replay", "refill"}


def test_who_is_not_there_is_said_once_and_closing_ends_the_waiting(gateway: Any, events: list[Any]) -> None:
    gateway.connect({"address": "nats://127.0.0.1:1"})
    gateway.subscribe(RU)
    gateway.subscribe(Request("IF1901", Exchange.CFE))  # type: ignore[attr-defined]
    while len(events) < 2:
        time.sleep(0.01)
    gateway.close()
    gateway.close()
    assert sorted(line.partition(": ")[0] for line in events) == [
        "MarketPrism at nats://127.0.0.1:1",
        "subscribe IF1901.CFE",
    ]


@pytest.mark.parametrize("late", [False, True])
async def test_what_a_cut_has_left_out_comes_out_of_the_store_in_order_and_once(
    monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism import refill, sequence  # type: ignore[import-not-found]

    there = [tick(n) for n in range(10)]
    asked: list[tuple[int, int]] = []

    async def stored(ts_from: int, ts_to: int) -> list[Tick]:
        asked.append((ts_from, ts_to))
        newest = 5 if late and len(asked) == 1 else 10
        return [each for each in there[:newest] if ts_from <= each.ts_event < ts_to]

    before = sequence.Place(there[2].seq, there[2].ts_event)
    found = await refill.between(stored, before, there[8], (0, 0, 0))
    assert [each.seq for each in found] == [each.seq for each in there[3:8]]
    assert asked == [(there[2].ts_event, there[8].ts_event + 1)] * (2 if late else 1)
    far = there[8]._replace(seq=refill.MOST + there[2].seq + 2)
    assert await refill.between(stored, before, far, (0,)) == []
    asked.clear()
    del there[4]
    assert len(await refill.between(stored, before, there[7], (0, 0))) == 4
