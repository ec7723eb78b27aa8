"""Whatever a gateway of VeighNa does wrong."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from marketprism_adapters.vnpy_gateway import registry
from marketprism_adapters.vnpy_gateway.connection import is_back, is_lost
from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.vnpy_sources import CHINA, QUICK, TEN, Opened, events, ticks, until


async def test_a_tick_that_is_none_is_refused_counted_and_told_and_the_others_go_on(vnpy: Any, opened: Opened) -> None:
    def script(gateway: Any) -> None:
        gateway.contract("rb2505")
        gateway.tick("rb2505", TEN, volume=float("nan"))
        gateway.tick("rb2505", None)
        gateway.on_tick("not a tick")
        gateway.on_contract(None)
        gateway.contract("")
        gateway.tick("rb2505", TEN)

    vnpy.ScriptedGateway.script = staticmethod(script)
    async with opened() as source:
        found = await until(source, lambda batches: bool(ticks(batches)))
    assert len(ticks(found)) == 1
    assert source.skipped == {"tick_malformed": 2, "callback_failed": 2, "contract_malformed": 1}
    told = {event.reason: event.frames for batch in found for event in batch.events}
    assert told == source.skipped


async def test_what_finds_no_room_is_counted_told_and_a_gap(vnpy: Any, opened: Opened) -> None:
    vnpy.ScriptedGateway.ticking = False
    async with opened(waiting_ticks=5, symbols=("rb2505",)) as source:
        (gateway,) = vnpy.ScriptedGateway.made

        def more(batches: list[SourceBatch]) -> bool:
            if len(batches) == 1:
                for at in range(9):
                    gateway.tick("rb2505", TEN + timedelta(seconds=at))
            elif len(ticks(batches)) == 5:
                gateway.tick("rb2505", TEN + timedelta(seconds=60))
            return any(batch.gaps for batch in batches)

        found = await until(source, more)
        ((_, gap),) = [gap for batch in found for gap in batch.gaps]
        assert (gap.cause, gap.symbol) == ("queue_full", "rb2505")
        assert (gap.ts_to - gap.ts_from) == 56 * 10**9
        assert source.dropped == 4
        assert source.deepest >= 5
    assert source.dropped == 4
    assert [(e.reason, e.frames) for batch in found for e in batch.events] == [("queue_full", 4)]


async def test_a_lost_connection_is_a_gap_and_its_instruments_are_asked_for_again(vnpy: Any, opened: Opened) -> None:
    def script(gateway: Any) -> None:
        gateway.contract("BTC-SWAP", "GLOBAL", "SWAP")

    vnpy.ScriptedGateway.script = staticmethod(script)
    async with opened(symbols=("BTC-SWAP",)) as source:
        (gateway,) = vnpy.ScriptedGateway.made

        def outage(batches: list[SourceBatch]) -> bool:
            now = datetime.now(CHINA)
            if len(batches) == 1:
                gateway.tick("BTC-SWAP", now - timedelta(seconds=9), "GLOBAL")
                gateway.write_log("交易服务器连接断开，原因4097")
            elif len(ticks(batches)) == 1 and not gateway.closed and "lost" not in vars(gateway):
                gateway.lost = True
                gateway.write_log("行情服务器连接断开，原因4097")
                gateway.write_log("行情服务器登录成功")
                gateway.tick("BTC-SWAP", now, "GLOBAL")
            return len(ticks(batches)) == 2 and len(gateway.subscribed) == 2

        found = await until(source, outage)
    one, two = ticks(found)
    gaps = [gap for batch in found for _, gap in batch.gaps]
    assert [(gap.cause, gap.ts_from, gap.ts_to) for gap in gaps] == [("disconnected", one.ts_event, two.ts_event)]
    assert source.live_since > one.ts_recv
    assert gateway.subscribed == [("BTC-SWAP", "GLOBAL")] * 2


@pytest.mark.parametrize(
    ("line", "lost", "back"),
    [
        ("行情服务器连接断开，原因4097", True, False),
        ("IB TWS连接断开", True, False),
        ("交易服务器连接断开，原因4097", False, False),
        ("Websocket API disconnected", True, False),
        ("行情服务器登录成功", False, True),
        ("IB TWS连接成功", False, True),
        ("行情服务器登录失败，代码：3，信息：不合法的登录", False, False),
        ("交易服务器登录成功", False, False),
        ("合约信息查询成功", False, False),
    ],
)
def test_what_a_gateway_writes_tells_of_its_connection(line: str, lost: bool, back: bool) -> None:
    assert (is_lost(line), is_back(line)) == (lost, back)


async def test_a_connect_that_never_returns_is_given_up_told_and_not_begun_twice(
    vnpy: Any, calendar: MarketCalendar
) -> None:
    ends = threading.Event()
    vnpy.ScriptedGateway.script = staticmethod(lambda gateway: (ends.wait(30), gateway.contract("rb2505"))[1])
    source = VnpySource(f"{vnpy.__name__}.ScriptedGateway", replace(QUICK, connect_s=0.05), calendar)
    for text in ("expected connect to return within 0.05 s", "expected connect to have returned by now"):
        with pytest.raises(SourceError, match=text) as caught:
            await source.connect()
        assert caught.value.retryable
        await source.close()
    assert len(vnpy.ScriptedGateway.made) == 1
    ends.set()
    async with asyncio.timeout(10):
        while True:  # it has returned by and by, and is used
            try:
                await source.connect()
                break
            except SourceError as error:
                assert error.retryable  # noqa: PT017
                await source.close()
    made = vnpy.ScriptedGateway.made
    assert sum(not gateway.closed for gateway in made) == 1, "one that returned between two attempts is left first"
    await source.close()
    assert [gateway.closed for gateway in made] == [1] * len(made)


async def test_a_connect_that_fails_and_a_list_that_does_not_come_are_tried_again(vnpy: Any, opened: Opened) -> None:
    def fails(gateway: Any) -> None:
        raise ValueError("no front at tcp://")

    vnpy.ScriptedGateway.script = staticmethod(fails)
    with pytest.raises(SourceError, match="expected connect to succeed: no front at tcp://") as caught:
        async with opened():
            pass
    assert caught.value.retryable
    vnpy.ScriptedGateway.script = staticmethod(lambda gateway: gateway.write_log("行情服务器登录失败，代码：3"))
    with pytest.raises(
        SourceError, match=r"expected contracts within 0\.3 s, none came; it wrote: 行情服务器登录失败"
    ) as none:
        async with opened():
            pass
    assert none.value.retryable
    assert [made.closed for made in vnpy.ScriptedGateway.made] == [1, 1], "what it has begun is ended"


async def test_instruments_can_be_named_where_there_is_no_list(vnpy: Any, opened: Opened) -> None:
    vnpy.ScriptedGateway.script = staticmethod(lambda gateway: None)
    async with opened(symbols=("rb2505.SHFE", "FDAX.EUX", "X.NOWHERE"), contracts_s=0.05) as source:
        found = await until(source, lambda batches: "subscribe" in source.skipped and bool(batches[-1].events))
        (gateway,) = vnpy.ScriptedGateway.made
        assert ("rb2505", "SHFE") in gateway.subscribed
    (event,) = [e for batch in found for e in batch.events if type(e).__name__ == "SubscriptionFailed"]
    assert (event.venue, event.symbol) == ("nowhere", "X")


async def test_a_name_that_is_not_listed_is_told_and_the_others_are_read(vnpy: Any, opened: Opened) -> None:
    async with opened(symbols=("rb2505", "rb9999.SHFE")) as source:
        assert [each.symbol for each in await source.instruments()] == ["rb2505"]
        found = await until(source, lambda batches: bool(events(batches)))
    assert events(found) == ["SubscriptionFailed"]


async def test_what_comes_after_the_end_is_heard_by_nobody_and_an_end_that_hangs_ends(
    vnpy: Any, opened: Opened, calendar: MarketCalendar
) -> None:
    async with opened() as source:
        (gateway,) = vnpy.ScriptedGateway.made
    gateway.tick("rb2505", TEN)
    gateway.write_log("late")
    gateway.on_tick("none")
    with pytest.raises(SourceError, match="expected to be connected"):
        await anext(source.stream({}))
    assert source.skipped == {}
    await source.connect()
    assert len(vnpy.ScriptedGateway.made) == 2
    await source.close()


async def test_a_gateway_that_cannot_be_closed_is_connected_once_and_used_for_good(
    vnpy: Any, calendar: MarketCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{vnpy.__name__}.ScriptedGateway"
    monkeypatch.setitem(registry.ROWS, name, registry.UNKNOWN._replace(name="kept", closes=False))
    source = VnpySource(name, QUICK, calendar)
    vnpy.ScriptedGateway.ticking = True
    for _ in range(2):
        await source.connect()
        assert ticks(await until(source, lambda batches: len(ticks(batches)) > 3))
        await source.close()
    (gateway,) = vnpy.ScriptedGateway.made
    assert [name for name, _ in vnpy.ScriptedGateway.calls] == ["connect"]
    assert gateway.closed == 0
