"""VeighNa's classes that `vnpy_marketprism` stands on, with the same names, fields, order and defaults: VeighNa itself
needs Qt and TA-Lib, and is tried by `make test-vnpy`."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.vnpy_datafeed import BarData as _BarData
from tests.support.vnpy_datafeed import HistoryRequest, Interval

PACKAGE = Path(__file__).parents[2] / "sdk" / "veighna"
_EXCHANGES = "CFFEX SHFE CZCE DCE INE GFEX SSE SZSE BSE NYSE NASDAQ CME CFE LME LOCAL GLOBAL"
Exchange = Enum("Exchange", {name: name for name in [*_EXCHANGES.split(), "EUREX"]} | {"EUREX": "EUX"})  # type: ignore[misc]
Product = Enum("Product", ["FUTURES", "OPTION", "SPREAD", "SPOT", "SWAP"])
OptionType = Enum("OptionType", ["CALL", "PUT"])
Status = Enum("Status", ["SUBMITTING", "REJECTED"])
_LEVELS = [f"{side}_{what}_{n}" for what in ("price", "volume") for side in ("bid", "ask") for n in range(1, 6)]


@dataclass
class BarData(_BarData):
    """As vnpy's."""

    def __post_init__(self) -> None:
        self.vt_symbol = f"{self.symbol}.{self.exchange.value}"


class TickData:
    """As vnpy's: a class with these attributes, in this order."""

    names = (
        *(
            "gateway_name",
            "symbol",
            "exchange",
            "datetime",
            "name",
            "volume",
            "turnover",
            "open_interest",
            "last_price",
        ),
        *("last_volume", "limit_up", "limit_down", "open_price", "high_price", "low_price", "pre_close"),
        *(*_LEVELS, "localtime"),
    )

    def __init__(self, *values: Any) -> None:
        given = dict(zip(self.names, values, strict=False))
        for name in self.names:
            setattr(self, name, given.get(name, {"name": "", "localtime": None}.get(name, 0)))
        self.extra: dict[str, Any] | None = None
        self.vt_symbol = f"{self.symbol}.{self.exchange.value}"  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TickData) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass
class OrderData:
    """As vnpy's, as far as it is asked for."""

    vt_symbol: str
    orderid: str
    status: Any = Status.SUBMITTING
    datetime: datetime | None = None


@dataclass
class Request:
    """A request about an instrument, of any of vnpy's kinds."""

    symbol: str
    exchange: Any
    orderid: str = ""

    @property
    def vt_symbol(self) -> str:
        return f"{self.symbol}.{self.exchange.value}"

    def create_order_data(self, orderid: str, gateway_name: str) -> OrderData:
        return OrderData(self.vt_symbol, orderid)


@dataclass
class Overview:
    """Of bars and of ticks."""

    symbol: str = ""
    exchange: Any = None
    interval: Any = None
    count: int = 0
    start: datetime | None = None
    end: datetime | None = None


@dataclass
class Logger:
    """Lines that were logged."""

    lines: list[str] = field(default_factory=list)

    def bind(self, **_: object) -> Logger:
        return self

    def warning(self, text: str) -> None:
        self.lines.append(text)


class BaseGateway:
    """As vnpy's: what is pushed goes to the event engine, here a list."""

    def __init__(self, event_engine: list[Any], gateway_name: str) -> None:
        self.event_engine, self.gateway_name = event_engine, gateway_name

    def on_tick(self, tick: Any) -> None:
        self.event_engine.append(tick)

    on_contract = on_order = write_log = on_tick


def veighna(monkeypatch: pytest.MonkeyPatch, zone: str = "Asia/Shanghai", **settings: object) -> ModuleType:
    """`vnpy_marketprism`, loaded anew on these classes, with these settings."""
    contents: dict[str, dict[str, Any]] = {
        "vnpy": {},
        "vnpy.event": {"EventEngine": list},
        "vnpy.trader": {},
        "vnpy.trader.constant": {
            "Exchange": Exchange,
            "Interval": Interval,
            "Product": Product,
            "OptionType": OptionType,
            "Status": Status,
        },
        "vnpy.trader.object": {
            "BarData": BarData,
            "TickData": TickData,
            "HistoryRequest": HistoryRequest,
            "ContractData": Request,
            **dict.fromkeys(("SubscribeRequest", "OrderRequest", "CancelRequest", "QuoteRequest"), Request),
        },
        "vnpy.trader.database": {
            "DB_TZ": ZoneInfo(zone),
            "BaseDatabase": object,
            "BarOverview": Overview,
            "TickOverview": Overview,
        },
        "vnpy.trader.datafeed": {"BaseDatafeed": object},
        "vnpy.trader.gateway": {"BaseGateway": BaseGateway},
        "vnpy.trader.logger": {"logger": Logger()},
        "vnpy.trader.setting": {"SETTINGS": dict(settings)},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(PACKAGE))
    for name in [each for each in sys.modules if each.split(".")[0] == "vnpy_marketprism"]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("vnpy_marketprism")
