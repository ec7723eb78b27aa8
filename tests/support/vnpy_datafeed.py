"""A datafeed of VeighNa with minutes of a Chinese contract: on vnpy's own classes where it is installed, else on their
like, with the same names, fields and defaults."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from marketprism_domain.sessions.calendar import Schedule

INSTALLED = importlib.util.find_spec("vnpy") is not None

# Written into a folder on the path, so that it is found as datafeeds of VeighNa are.
MODULE = """
from datetime import timedelta
from vnpy.trader.object import BarData
from vnpy.trader.constant import Exchange, Interval
{base_import}


class Datafeed({base}):
    asked, bars, logged_in, words, refusal = [], [], True, "", "wrong user or password"

    def init(self, output=print):
        if not self.logged_in and self.refusal:
            output(self.refusal)
        return self.logged_in

    def query_bar_history(self, req, output=print):
        self.asked.append(req)
        if self.words:
            output(self.words)
        return [bar for bar in self.bars if req.start <= bar.datetime <= req.end and bar.interval == req.interval]
"""


class Exchange(Enum):
    """As vnpy's, those that are used."""

    SHFE = "SHFE"
    CFFEX = "CFFEX"


class Interval(Enum):
    """As vnpy's."""

    MINUTE = "1m"
    HOUR = "1h"
    DAILY = "d"
    WEEKLY = "w"
    TICK = "tick"


@dataclass
class BarData:
    """As vnpy's: fields, order and defaults."""

    gateway_name: str
    symbol: str
    exchange: Exchange
    datetime: datetime
    interval: Interval | None = None
    volume: float = 0
    turnover: float = 0
    open_interest: float = 0
    open_price: float = 0
    high_price: float = 0
    low_price: float = 0
    close_price: float = 0
    extra: dict[str, Any] | None = field(default=None, init=False)


@dataclass
class HistoryRequest:
    """As vnpy's."""

    symbol: str
    exchange: Exchange
    start: datetime
    end: datetime | None = None
    interval: Interval | None = None


class Feed:
    """The datafeed's module, and its class."""

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name, self.module = name, module
        self.made: Any = module.Datafeed

    def bar(self, symbol: str, when: datetime, price: float, interval: str = "1m", **more: float) -> Any:
        """A bar of SHFE as vnpy has it."""
        module = self.module
        prices = dict.fromkeys(("open_price", "high_price", "low_price", "close_price"), price)
        return module.BarData(
            gateway_name="T",
            symbol=symbol,
            exchange=module.Exchange("SHFE"),
            datetime=when,
            interval=module.Interval(interval),
            **{**prices, **more},
        )

    def minutes(self, symbol: str, schedule: Schedule, days: Iterable[str], zone: Any) -> list[Any]:
        """A bar for each minute of the sessions of trading days."""
        begins = [
            datetime.fromtimestamp(session.ts_open // 10**9, zone) + timedelta(minutes=at)
            for day in days
            for session in schedule.sessions(day)
            for at in range((session.ts_close - session.ts_open) // 60_000_000_000)
        ]
        return [
            self.bar(symbol, when, 3700.0 + number % 7, volume=10.0 + number, turnover=370010.5, open_interest=5e5)
            for number, when in enumerate(begins)
        ]


def datafeed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Feed:
    """The module `vnpy_<name>`, which can be imported until the test ends."""
    if not INSTALLED:
        constant, objects = ModuleType("vnpy.trader.constant"), ModuleType("vnpy.trader.object")
        constant.Exchange, constant.Interval = Exchange, Interval  # type: ignore[attr-defined]
        objects.BarData, objects.HistoryRequest = BarData, HistoryRequest  # type: ignore[attr-defined]
        modules = {"vnpy": ModuleType("vnpy"), "vnpy.trader": ModuleType("vnpy.trader")}
        for each, module in {**modules, "vnpy.trader.constant": constant, "vnpy.trader.object": objects}.items():
            monkeypatch.setitem(sys.modules, each, module)
    base = "BaseDatafeed" if INSTALLED else "object"
    text = MODULE.format(base=base, base_import="from vnpy.trader.datafeed import BaseDatafeed" if INSTALLED else "")
    (tmp_path / f"vnpy_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, f"vnpy_{name}", raising=False)
    return Feed(name, importlib.import_module(f"vnpy_{name}"))
