"""One connection of a gateway: made, waited for, subscribed, and left."""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from marketprism_adapters.vnpy_gateway.calls import Calls
from marketprism_adapters.vnpy_gateway.engine import EVENT_TIMER, TimerEngine
from marketprism_adapters.vnpy_gateway.handover import CONTRACT, LOG, TICK, Delivery, Handover
from marketprism_adapters.vnpy_gateway.loading import connect_setting, load_gateway
from marketprism_adapters.vnpy_gateway.registry import GatewayRow
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.tap import Gateway, Sink, tapped
from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

log = structlog.get_logger()
T = TypeVar("T")

_CLOSE_S = 10.0
_NEWEST_LINES = 3
# What gateways write of their connections, which call back with nothing else; of the trader side nothing counts.
_OF_TRADER = re.compile(r"交易|trad(?:e|er|ing)\b", re.IGNORECASE)
_LOST = re.compile(r"断开|断线|disconnect|connection (?:was )?(?:lost|closed)", re.IGNORECASE)
_BACK = re.compile(r"(?:连接|登录|重连)成功|\b(?:connected|logged in|login succe)", re.IGNORECASE)


def is_lost(line: str) -> bool:
    """Whether a line says that the connection for market data is lost."""
    return _LOST.search(line) is not None and _OF_TRADER.search(line) is None


def is_back(line: str) -> bool:
    """Whether a line says that it is there."""
    return _BACK.search(line) is not None and _LOST.search(line) is None and _OF_TRADER.search(line) is None


class Connection:
    """A gateway by its module and class, as `text`. Nothing is loaded before `open`."""

    def __init__(self, text: str, row: GatewayRow, settings: VnpySettings, source: str) -> None:
        self._text, self._row, self._settings, self._source = text, row, settings, source
        self._calls = Calls(source)
        self._sink = Sink()
        self._engine: TimerEngine | None = None
        self._gateway: Gateway | None = None
        self._connected = False  # `connect` was called of this object, and `close` has not ended it
        self.handover: Handover | None = None
        self.held: list[Delivery] = []  # what came before somebody asks for it
        self.lines: list[str] = []  # the newest that it wrote
        self.up_at = 0

    async def open(self) -> bool:
        """Load, make and connect it; False where it was connected already, and goes on.

        Raises:
            SourceError: what was given is wrong, or it does not come: retryable.
        """
        given, name = self._settings, self._source
        if self._calls.blocked:
            raise SourceError(f"{name}: expected {self._calls.blocked} to have returned by now", retryable=True)
        self.handover = Handover(asyncio.get_running_loop(), given.waiting_ticks)
        self.held, self.lines = [], []
        gateway, setting = await self._call("load", self._load)
        self._sink.handover = self.handover
        if self._gateway is None:
            self._gateway = await self._call("construction", lambda: self._make(gateway))
        made = self._gateway
        assert self._engine is not None  # noqa: S101 (made with the gateway)
        self._engine.start()
        fresh, self._connected = not self._connected, True  # also where it fails: what it has begun `close` has to end
        if fresh:
            await self._call("connect", lambda: made.connect(setting))
        self.up_at = time.time_ns()
        return fresh

    def _load(self) -> tuple[type, dict[str, str | int | float | bool]]:
        gateway = load_gateway(self._text)
        return gateway, connect_setting(gateway, self._text, self._settings)

    def _make(self, gateway: type) -> Gateway:
        event = importlib.import_module("vnpy.event").Event
        self._engine = TimerEngine(lambda: event(EVENT_TIMER), self._sink.put, self._sink.failed)
        made = tapped(gateway, self._sink)
        given_name = getattr(gateway, "default_name", "") or self._row.name
        try:
            return made(self._engine, given_name)
        except TypeError as first:
            try:
                return made(self._engine)  # the older form, which knows its name by itself
            except TypeError:
                raise first from None

    async def _call(self, what: str, call: Callable[[], T]) -> T:
        try:
            return await self._calls.run(what, call, self._settings.connect_s)
        except SourceError:
            raise
        except TimeoutError as error:
            text = f"{self._source}: expected {what} to return within {self._settings.connect_s:.3g} s, it has not"
            raise SourceError(text, retryable=True) from error
        except Exception as error:  # anybody's code
            text = f"{self._source}: expected {what} to succeed: {reason_of(error)}"[:500]
            raise SourceError(text, retryable=what == "connect") from error

    async def until_listed(self, *, needed: bool) -> None:
        """Until no further contract comes; `held` has what comes meanwhile. Who lists none is not waited for.

        Raises:
            SourceError: none came, and the list is `needed`.
        """
        if not (self._row.lists or needed):
            return
        handover, given = self.handover, self._settings
        assert handover is not None  # noqa: S101 (made by open)
        end, newest = time.monotonic() + given.contracts_s, 0.0
        while (now := time.monotonic()) < end:
            left = min(end, newest + given.quiet_s) - now if newest else end - now
            taken = await handover.take(timeout_s=max(0.0, left))
            for delivery in taken:
                if delivery.kind == LOG:
                    self.wrote(str(delivery.data[0]))
            self.held += [each for each in taken if each.kind != LOG]
            if any(each.kind == CONTRACT for each in taken):
                newest = time.monotonic()
            elif newest and time.monotonic() - newest >= given.quiet_s:
                return
            if sum(each.kind == TICK for each in self.held) > given.waiting_ticks:
                return
        if needed and not newest:
            wrote = f"; it wrote: {' | '.join(self.lines)}" if self.lines else ""
            text = f"{self._source}: expected contracts within {given.contracts_s:.3g} s, none came{wrote}"
            raise SourceError(text[:500], retryable=True)

    def wrote(self, line: str) -> None:
        """Log a line of the gateway, and keep the newest."""
        log.info("gateway.wrote", source=self._source, text=line)
        self.lines = [*self.lines, line][-_NEWEST_LINES:]

    async def subscribe(
        self, natives: Sequence[tuple[str, str]], failed: Callable[[tuple[str, str], str], None]
    ) -> None:
        """Ask for instruments by VeighNa's names, at the pace of the settings; `failed` gets each that is refused."""
        if not natives or self._gateway is None:
            return
        gateway, pause_s = self._gateway, 1 / self._settings.requests_per_second
        refused: list[tuple[tuple[str, str], str]] = []
        handover = self.handover

        def ask() -> None:
            objects, constants = (
                importlib.import_module("vnpy.trader.object"),
                importlib.import_module("vnpy.trader.constant"),
            )
            for native in natives:
                if self.handover is not handover:  # closed meanwhile
                    return
                try:
                    exchange = constants.Exchange(native[1])
                    gateway.subscribe(objects.SubscribeRequest(symbol=native[0], exchange=exchange))
                except Exception as error:  # noqa: BLE001 (anybody's code)
                    refused.append((native, reason_of(error)[:300]))
                time.sleep(pause_s)

        try:
            await self._calls.run("subscribe", ask, self._settings.connect_s + 2 * pause_s * len(natives))
        except TimeoutError:
            text = f"expected subscribe to return within {self._settings.connect_s:.3g} s, it has not"
            refused += [(native, text) for native in natives]
        for native, text in refused:
            failed(native, text)

    async def close(self) -> None:
        """Leave it. What it calls back with from now on is taken by nobody; one whose `close` does nothing stays."""
        handover, self.handover = self.handover, None
        self._sink.handover = None
        if handover is not None:
            handover.close()
        if self._engine is not None:
            self._engine.stop()
        gateway = self._gateway
        if gateway is None or not self._row.closes:
            return
        if self._calls.blocked:  # it would log in some time later, and nobody would know of it: the next `open` uses it
            log.warning("gateway.not_closed", source=self._source, error=f"{self._calls.blocked} has not returned yet")
            return
        self._gateway, self._engine = None, None
        connected, self._connected = self._connected, False
        if connected:
            try:
                await asyncio.shield(self._calls.run("close", gateway.close, _CLOSE_S))
            except TimeoutError:
                log.warning("gateway.not_closed", source=self._source, error=f"has not returned within {_CLOSE_S:g} s")
            except Exception as error:  # noqa: BLE001 (anybody's code)
                log.warning("gateway.not_closed", source=self._source, error=reason_of(error)[:500])


__all__ = ["Connection", "is_back", "is_lost"]
