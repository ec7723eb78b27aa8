"""A gateway of VeighNa that does what a test says: on vnpy's own base class where it is installed, else on its like,
with the same names, fields, defaults and callbacks."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

INSTALLED = importlib.util.find_spec("vnpy") is not None

# Written into a folder on the path, so that it is found as gateways of VeighNa are.
MODULE = """
import threading, time
from datetime import datetime, timedelta, timezone
from vnpy.trader.constant import Exchange, OptionType, Product
from vnpy.trader.gateway import BaseGateway
from vnpy.trader.object import ContractData, TickData

CHINA = timezone(timedelta(hours=8))


class ScriptedGateway(BaseGateway):
    default_name = "SCRIPTED"
    default_setting = {"用户名": "", "密码": "", "端口": 0, "客户号": 1, "行情协议": ["TCP", "UDP"]}
    exchanges = [Exchange.SHFE, Exchange.SSE]
    made, calls, script, ticking, burst, bars = [], [], None, False, None, []

    def __init__(self, event_engine, gateway_name):
        super().__init__(event_engine, gateway_name)
        self.subscribed, self.closed, self.running = [], 0, True
        ScriptedGateway.made.append(self)

    def contract(self, symbol, exchange="SHFE", product="FUTURES", **more):
        given = {"name": symbol, "size": 10, "pricetick": 1.0, "gateway_name": self.gateway_name, **more}
        self.on_contract(ContractData(symbol=symbol, exchange=Exchange(exchange), product=Product[product], **given))

    def tick(self, symbol, when, exchange="SHFE", **more):
        given = {"last_price": 3700.0, "volume": 1, "gateway_name": self.gateway_name, **more}
        self.on_tick(TickData(symbol=symbol, exchange=Exchange(exchange), datetime=when, **given))

    def connect(self, setting):
        ScriptedGateway.calls.append(("connect", dict(setting)))
        if ScriptedGateway.script is not None:
            ScriptedGateway.script(self)
        else:
            for symbol in ("rb2505", "rb2510"):
                self.contract(symbol)
            self.write_log("行情服务器登录成功")

    def subscribe(self, req):
        self.subscribed.append((req.symbol, req.exchange.value))
        if ScriptedGateway.ticking and len(self.subscribed) == 1:
            threading.Thread(target=self.tick_on, daemon=True).start()
        if ScriptedGateway.burst is not None and len(self.subscribed) == 1:
            threading.Thread(target=self.tick_much, args=ScriptedGateway.burst, daemon=True).start()

    def tick_on(self):
        number = 0
        while self.running and not self.closed:
            number += 1
            for symbol, exchange in tuple(self.subscribed):
                self.tick(symbol, datetime.now(CHINA), exchange, volume=number, bid_price_1=3699.0, bid_volume_1=2)
            time.sleep(0.002)

    def tick_much(self, count, slices):
        begun, (symbol, exchange) = time.monotonic(), self.subscribed[0]
        levels = {f"{side}_{what}_{n}": 3700.0 + n for side in ("bid", "ask") for what in ("price", "volume") for n in range(1, 6)}
        for at in range(count):
            if at % (count // slices) == 0:
                time.sleep(max(0.0, begun + at / count - time.monotonic()))
            self.tick(symbol, datetime.now(CHINA), exchange, volume=at + 1, turnover=at * 37000.0, **levels)

    def query_history(self, req):
        ScriptedGateway.calls.append(("query_history", req))
        return [bar for bar in self.bars if req.start <= bar.datetime <= req.end]

    def close(self):
        self.closed += 1

    def send_order(self, req):
        ScriptedGateway.calls.append(("send_order", req))
        return "1"

    def cancel_order(self, req):
        ScriptedGateway.calls.append(("cancel_order", req))

    def query_account(self):
        ScriptedGateway.calls.append(("query_account", None))

    def query_position(self):
        ScriptedGateway.calls.append(("query_position", None))


class NoGateway:
    pass
"""


class Exchange(Enum):
    """As vnpy's, those that are used."""

    SHFE = "SHFE"
    CFFEX = "CFFEX"
    CZCE = "CZCE"
    DCE = "DCE"
    SSE = "SSE"
    SZSE = "SZSE"
    EUREX = "EUX"
    SMART = "SMART"
    GLOBAL = "GLOBAL"


class Product(Enum):
    """As vnpy's: values are words in the language of the machine."""

    EQUITY = "股票"
    FUTURES = "期货"
    OPTION = "期权"
    SPREAD = "价差"
    FUND = "基金"
    SWAP = "互换"


class OptionType(Enum):
    """As vnpy's."""

    CALL = "看涨期权"
    PUT = "看跌期权"


class Interval(Enum):
    """As vnpy's."""

    MINUTE = "1m"
    HOUR = "1h"
    DAILY = "d"
    WEEKLY = "w"
    TICK = "tick"


class Event:
    """As vnpy's."""

    def __init__(self, type: str, data: object = None) -> None:  # noqa: A002
        self.type, self.data = type, data


@dataclass
class TickData:
    """As vnpy's: fields and defaults."""

    gateway_name: str
    symbol: str
    exchange: Any
    datetime: datetime
    name: str = ""
    volume: float = 0
    turnover: float = 0
    open_interest: float = 0
    last_price: float = 0
    last_volume: float = 0
    limit_up: float = 0
    limit_down: float = 0
    open_price: float = 0
    high_price: float = 0
    low_price: float = 0
    pre_close: float = 0
    bid_price_1: float = 0
    bid_price_2: float = 0
    bid_price_3: float = 0
    bid_price_4: float = 0
    bid_price_5: float = 0
    ask_price_1: float = 0
    ask_price_2: float = 0
    ask_price_3: float = 0
    ask_price_4: float = 0
    ask_price_5: float = 0
    bid_volume_1: float = 0
    bid_volume_2: float = 0
    bid_volume_3: float = 0
    bid_volume_4: float = 0
    bid_volume_5: float = 0
    ask_volume_1: float = 0
    ask_volume_2: float = 0
    ask_volume_3: float = 0
    ask_volume_4: float = 0
    ask_volume_5: float = 0
    localtime: Any = None
    extra: dict[str, Any] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.vt_symbol = f"{self.symbol}.{self.exchange.value}"


@dataclass
class ContractData:
    """As vnpy's."""

    gateway_name: str
    symbol: str
    exchange: Any
    name: str
    product: Any
    size: float
    pricetick: float
    min_volume: float = 1
    max_volume: float | None = None
    stop_supported: bool = False
    net_position: bool = False
    history_data: bool = False
    option_strike: float | None = None
    option_underlying: str | None = None
    option_type: Any = None
    option_listed: datetime | None = None
    option_expiry: datetime | None = None
    option_portfolio: str | None = None
    option_index: str | None = None


@dataclass
class BarData:
    """As vnpy's."""

    gateway_name: str
    symbol: str
    exchange: Any
    datetime: datetime
    interval: Any = None
    volume: float = 0
    turnover: float = 0
    open_interest: float = 0
    open_price: float = 0
    high_price: float = 0
    low_price: float = 0
    close_price: float = 0


@dataclass
class LogData:
    """As vnpy's."""

    gateway_name: str
    msg: str
    level: int = 20


@dataclass
class SubscribeRequest:
    """As vnpy's."""

    symbol: str
    exchange: Any


@dataclass
class HistoryRequest:
    """As vnpy's."""

    symbol: str
    exchange: Any
    start: datetime
    end: datetime | None = None
    interval: Any = None


class BaseGateway(ABC):
    """As vnpy's: what its callbacks do, and which methods are abstract."""

    default_name: str = ""
    default_setting: ClassVar[dict[str, Any]] = {}
    exchanges: ClassVar[list[Any]] = []

    def __init__(self, event_engine: Any, gateway_name: str) -> None:
        self.event_engine, self.gateway_name = event_engine, gateway_name

    def on_event(self, type: str, data: object = None) -> None:  # noqa: A002
        self.event_engine.put(Event(type, data))

    def on_tick(self, tick: Any) -> None:
        self.on_event("eTick.", tick)
        self.on_event("eTick." + tick.vt_symbol, tick)

    def on_trade(self, trade: Any) -> None:
        self.on_event("eTrade.", trade)

    def on_contract(self, contract: Any) -> None:
        self.on_event("eContract.", contract)

    def on_log(self, log: Any) -> None:
        self.on_event("eLog", log)

    def write_log(self, msg: str) -> None:
        self.on_log(LogData(msg=msg, gateway_name=self.gateway_name))

    def query_history(self, req: Any) -> list[Any]:
        return []

    @abstractmethod
    def connect(self, setting: dict[str, Any]) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def subscribe(self, req: Any) -> None: ...

    @abstractmethod
    def send_order(self, req: Any) -> str: ...

    @abstractmethod
    def cancel_order(self, req: Any) -> None: ...

    @abstractmethod
    def query_account(self) -> None: ...

    @abstractmethod
    def query_position(self) -> None: ...


_LIKE: dict[str, tuple[type, ...]] = {
    "vnpy": (),
    "vnpy.event": (Event,),
    "vnpy.trader": (),
    "vnpy.trader.constant": (Exchange, Product, OptionType, Interval),
    "vnpy.trader.object": (TickData, ContractData, BarData, LogData, SubscribeRequest, HistoryRequest),
    "vnpy.trader.gateway": (BaseGateway,),
}
_numbers = itertools.count()


@contextmanager
def scripted_gateway(folder: Path) -> Iterator[Any]:
    """The module of the gateway, of a name of its own, which can be imported until the end."""
    like = {} if INSTALLED else {name: _module(name, classes) for name, classes in _LIKE.items()}
    name = f"scripted_gateways_{next(_numbers)}"
    (folder / f"{name}.py").write_text(MODULE, encoding="utf-8")
    before = {each: sys.modules.get(each) for each in like}
    sys.modules.update(like)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
        yield module
        for made in module.ScriptedGateway.made:
            made.running = False
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)
        for each, module in before.items():
            if module is None:
                sys.modules.pop(each, None)
            else:
                sys.modules[each] = module


def _module(name: str, classes: tuple[type, ...]) -> ModuleType:
    module = ModuleType(name)
    for each in classes:
        setattr(module, each.__name__, each)
    return module


def setting(**more: object) -> str:
    """What the scripted gateway connects with, as JSON."""
    return json.dumps({"用户名": "user", "密码": "secret", "端口": 17, **more}, ensure_ascii=False)
