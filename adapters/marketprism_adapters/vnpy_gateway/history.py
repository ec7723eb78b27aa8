"""The history of a gateway: its `query_history`, asked as datafeeds are. Every call may block."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Sequence

from marketprism_adapters.vnpy_gateway.connection import is_back
from marketprism_adapters.vnpy_gateway.engine import EVENT_TIMER, TimerEngine
from marketprism_adapters.vnpy_gateway.loading import connect_setting, load_gateway
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.tap import Gateway, Sink, tapped
from marketprism_application.errors import SourceError


class _Waiting(Sink):
    """Hears when a gateway is connected: it lists a contract, or writes so."""

    def __init__(self) -> None:
        super().__init__()
        self.there = threading.Event()
        self.lines: list[str] = []

    def contract(self, contract: object) -> None:
        """Its list has begun: it is logged in."""
        del contract
        self.there.set()

    def log(self, log: object) -> None:
        """Remember a line, which may say that it is there."""
        line = str(getattr(log, "msg", log))[:300]
        self.lines.append(line)
        if is_back(line):
            self.there.set()


class GatewayFeed:
    """Fulfils what a history asks of a datafeed, with a connection of its own.

    Raises:
        SourceError: there is no such class, it has no history, or a setting is wrong.
    """

    def __init__(self, gateway: str, settings: VnpySettings) -> None:
        of = load_gateway(gateway)
        base = importlib.import_module("vnpy.trader.gateway").BaseGateway
        if of.query_history is base.query_history:  # type: ignore[attr-defined]
            raise SourceError(
                f"source vnpy: expected a gateway with a history of its own, {gateway} has no query_history"
            )
        self._setting = connect_setting(of, gateway, settings)
        self._wait_s = settings.connect_s
        self._heard = _Waiting()
        event = importlib.import_module("vnpy.event").Event
        self._engine = TimerEngine(lambda: event(EVENT_TIMER), self._heard.put, self._heard.failed)
        name = getattr(of, "default_name", "") or settings.row(gateway).name
        self._gateway: Gateway = tapped(of, self._heard)(self._engine, name)

    def init(self, output: Callable[[str], object]) -> bool:
        """Connect; False where it is not there in time, with what it wrote as `output`."""
        self._engine.start()
        self._gateway.connect(self._setting)
        there = self._heard.there.wait(self._wait_s)
        if not there:
            for line in self._heard.lines[-3:] or [f"nothing came within {self._wait_s:.3g} s"]:
                output(line)
        return there

    def query_bar_history(self, req: object, output: Callable[[str], object]) -> Sequence[object] | None:
        """Bars of a `HistoryRequest`; where there are none, what it wrote meanwhile as `output`."""
        before = len(self._heard.lines)
        found = self._gateway.query_history(req)
        if not found:
            for line in self._heard.lines[before:][-3:]:
                output(line)
        return found

    def close(self) -> None:
        """Leave it; nothing is asked any more."""
        self._engine.stop()
        self._gateway.close()


__all__ = ["GatewayFeed"]
