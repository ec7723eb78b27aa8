"""A gateway of VeighNa as a source: connected, heard and left."""

from __future__ import annotations

import asyncio
import itertools
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.capture.tap import CaptureSettings, CaptureTap
from marketprism_adapters.sources.captured import CaptureSource
from marketprism_adapters.vnpy_gateway.engine import TimerEngine
from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.vnpy_sources import QUICK, TEN, Opened, pushing, ticks, until


async def test_its_contracts_are_instruments_and_each_is_subscribed_by_its_own_name(vnpy: Any, opened: Opened) -> None:
    vnpy.ScriptedGateway.ticking = True
    async with opened(symbols=("rb2505.SHFE", "rb2510")) as source:
        assert [each.symbol for each in await source.instruments()] == ["rb2505", "rb2510"]
        found = ticks(await until(source, lambda batches: len(ticks(batches)) > 50))
        (gateway,) = vnpy.ScriptedGateway.made
        assert sorted(gateway.subscribed) == [("rb2505", "SHFE"), ("rb2510", "SHFE")]
        assert vnpy.ScriptedGateway.calls == [
            ("connect", {"用户名": "user", "密码": "secret", "端口": 17, "客户号": 1, "行情协议": "TCP"})
        ]
        assert gateway.gateway_name == "SCRIPTED"
    assert {tick.source for tick in found} == {source.source}
    assert gateway.closed == 1
    assert (source.dropped, source.skipped) == (0, {})


async def test_ticks_of_several_threads_come_in_their_order_and_none_twice(vnpy: Any, opened: Opened) -> None:
    vnpy.ScriptedGateway.script = staticmethod(pushing(2_000, threads=6))
    async with opened() as source:
        found = ticks(await until(source, lambda batches: len(ticks(batches)) >= 12_000))
    assert len(found) == 12_000
    assert all(one.source_seq < two.source_seq and one.ts_recv <= two.ts_recv for one, two in itertools.pairwise(found))
    assert (source.dropped, source.skipped) == (0, {})


async def test_what_a_gateway_changes_after_it_handed_it_over_is_not_seen(vnpy: Any, opened: Opened) -> None:
    def script(gateway: Any) -> None:
        gateway.contract("rb2505")
        data = vnpy.TickData(symbol="rb2505", exchange=vnpy.Exchange.SHFE, datetime=TEN, gateway_name="T")
        for number in range(100):
            data.last_price = 3700.0 + number
            gateway.on_tick(data)

    vnpy.ScriptedGateway.script = staticmethod(script)
    async with opened() as source:
        found = ticks(await until(source, lambda batches: len(ticks(batches)) >= 100))
    assert [int(tick.last or 0) for tick in found] == list(range(3700, 3800))


async def test_a_gateways_own_callbacks_come_first_and_what_it_puts_past_them_is_heard_once(
    vnpy: Any, opened: Opened
) -> None:
    base = vnpy.BaseGateway

    class Own(vnpy.ScriptedGateway):  # type: ignore[misc,name-defined]
        def on_tick(self, tick: Any) -> None:
            tick.last_price += 1
            super().on_tick(tick)

    class Old(vnpy.ScriptedGateway):  # type: ignore[misc,name-defined]
        def on_tick(self, tick: Any) -> None:
            base.on_tick(self, tick)

    for made in (Own, Old):
        made.__module__ = vnpy.__name__
        vnpy.ScriptedGateway.script = staticmethod(pushing(3))
        vnpy.ScriptedGateway = made
        try:
            async with opened() as source:
                found = ticks(await until(source, lambda batches: len(ticks(batches)) >= 3))
            assert [int(tick.last or 0) for tick in found] == [3701 if made is Own else 3700] * 3
        finally:
            vnpy.ScriptedGateway = made.__mro__[1]


async def test_what_was_captured_is_read_again_as_it_was(vnpy: Any, calendar: MarketCalendar, tmp_path: Path) -> None:
    def script(gateway: Any) -> None:
        pushing(50)(gateway)
        gateway.tick("rb2505", TEN, volume=float("nan"))

    vnpy.ScriptedGateway.script = staticmethod(script)
    tap = CaptureTap(CaptureSettings(), tmp_path / "capture")
    tap.start()
    given = replace(QUICK, times="of_day", zone="Asia/Shanghai")
    source = VnpySource(f"{vnpy.__name__}.ScriptedGateway", given, calendar, tap=tap)
    await source.connect()
    live = ticks(await until(source, lambda batches: len(ticks(batches)) == 50 and bool(source.skipped)))
    await source.close()
    await asyncio.to_thread(tap.stop)
    captured = CaptureSource(tmp_path / "capture", calendar)
    await captured.connect()
    again = [tick async for batch in captured.stream({}) for tick in batch.ticks]
    await captured.close()
    listed = {each.symbol: each for each in await source.instruments()}
    assert [each.symbol for each in await captured.instruments()] == ["rb2505"]
    assert await captured.instruments() == [listed["rb2505"]]
    assert [tick._replace(source_seq=0) for tick in again] == [tick._replace(source_seq=0) for tick in live]
    assert dict(captured.skipped) == dict(source.skipped) == {"tick_malformed": 1}


async def test_no_order_leaves_it_and_nobody_asks_for_the_account(vnpy: Any, opened: Opened) -> None:
    async with opened():
        (gateway,) = vnpy.ScriptedGateway.made
        for name in ("send_order", "cancel_order", "send_quote", "cancel_quote"):
            with pytest.raises(PermissionError, match="orders: expected none of a gateway that is read as a source"):
                getattr(gateway, name)(object())
        assert (gateway.query_account(), gateway.query_position()) == (None, None)
        gateway.on_trade(object())
        gateway.on_account(object())
    assert [name for name, _ in vnpy.ScriptedGateway.calls] == ["connect"]


async def test_contracts_that_come_later_are_subscribed_when_they_are_wanted(vnpy: Any, opened: Opened) -> None:
    async with opened(symbols=("rb*",)) as source:
        (gateway,) = vnpy.ScriptedGateway.made

        def later(batches: list[SourceBatch]) -> bool:
            if len(batches) == 1:
                gateway.contract("rb2601")
                gateway.contract("cu2505")
                gateway.contract("rb2505")  # again
            return any(batch.instruments for batch in batches)

        found = await until(source, later)
        assert [each.symbol for batch in found for each in batch.instruments] == ["rb2601"]
        assert await source.subscribe(("cu2505",)) == (1, 3)
        async with asyncio.timeout(5):
            while ("cu2505", "SHFE") not in gateway.subscribed:
                await asyncio.sleep(0.005)
        assert ("rb2601", "SHFE") in gateway.subscribed


async def test_the_timer_is_called_and_one_that_fails_is_counted(vnpy: Any, opened: Opened) -> None:
    beats = threading.Event()

    def script(gateway: Any) -> None:
        def on_timer(event: Any) -> None:
            assert event.type == "eTimer"
            beats.set()
            raise RuntimeError("no such account")

        gateway.contract("rb2505")
        gateway.event_engine.register("eTimer", on_timer)

    vnpy.ScriptedGateway.script = staticmethod(script)
    async with opened() as source:
        found = await until(source, lambda batches: "callback_failed" in source.skipped)
        assert beats.is_set()
    assert source.skipped == {"callback_failed": 1}
    (event,) = [event for batch in found for event in batch.events]
    assert (event.reason, event.error, event.frames) == ("callback_failed", "timer: no such account", 1)


def test_a_timer_that_is_stopped_calls_nobody_and_begins_again() -> None:
    called = threading.Semaphore(0)
    engine = TimerEngine(lambda: None, lambda _: None, lambda *_: None, interval_s=0.001)  # type: ignore[arg-type,return-value]

    def handler(_: object) -> None:
        called.release()

    engine.register("eTimer", handler)
    for _ in range(2):
        engine.start()
        engine.start()
        assert called.acquire(timeout=5)
        engine.stop()
    engine.unregister("eTimer", handler)
    engine.register_general(handler)
