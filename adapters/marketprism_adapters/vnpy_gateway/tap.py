"""A gateway whose callbacks are heard, and which sends no orders."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

from marketprism_adapters.vnpy_gateway.engine import Event
from marketprism_adapters.vnpy_gateway.handover import CONTRACT, FAILED, LOG, TICK, Handover
from marketprism_sdk.errors import reason_of

LEVELS = range(1, 6)
TICK_FIELDS = (
    "symbol",
    "exchange",
    "datetime",
    "last_price",
    "volume",
    "last_volume",
    "turnover",
    "open_interest",
    "open_price",
    "high_price",
    "low_price",
    "pre_close",
    "limit_up",
    "limit_down",
    *(f"{side}_{what}_{n}" for side in ("bid", "ask") for n in LEVELS for what in ("price", "volume")),
)
CONTRACT_FIELDS = (
    "symbol",
    "exchange",
    "name",
    "product",
    "size",
    "pricetick",
    "min_volume",
    "max_volume",
    "option_strike",
    "option_underlying",
    "option_type",
    "option_listed",
    "option_expiry",
)
_EVENT_TICK, _EVENT_CONTRACT, _EVENT_LOG = "eTick.", "eContract.", "eLog"  # vnpy.trader.event
_values_of_tick = attrgetter(*TICK_FIELDS)
_REFUSED = "orders: expected none of a gateway that is read as a source"


class Sink:
    """Takes what a gateway calls back with, from any thread: values as they are at that moment, since some gateways go
    on changing what they handed over. What cannot be read is a delivery that says so; a gateway never sees an error.
    Without a handover nothing is taken."""

    def __init__(self) -> None:
        self.handover: Handover | None = None

    def tick(self, tick: object) -> None:
        """Take a `TickData` as it is now."""
        if (handover := self.handover) is not None:
            try:
                handover.put(TICK, _values_of_tick(tick))
            except Exception as error:  # noqa: BLE001 (whatever a gateway has made of it)
                self.failed("on_tick", error)

    def contract(self, contract: object) -> None:
        """A `ContractData`; older ones have fewer fields."""
        if (handover := self.handover) is not None:
            try:
                symbol, exchange = contract.symbol, contract.exchange  # type: ignore[attr-defined]
                rest = (getattr(contract, name, None) for name in CONTRACT_FIELDS[2:])
                handover.put(CONTRACT, (symbol, exchange, *rest))
            except Exception as error:  # noqa: BLE001
                self.failed("on_contract", error)

    def log(self, log: object) -> None:
        """A `LogData`, or a text."""
        if (handover := self.handover) is not None:
            handover.put(LOG, (str(getattr(log, "msg", log))[:500],))

    def event(self, type: str, data: object) -> None:  # noqa: A002 (as VeighNa names it)
        """What a gateway puts past its callbacks."""
        known = {_EVENT_TICK: self.tick, _EVENT_CONTRACT: self.contract, _EVENT_LOG: self.log}.get(type)
        if known is not None:
            known(data)

    def put(self, event: Event) -> None:
        """Take the same as an event."""
        self.event(event.type, event.data)

    def failed(self, where: str, error: Exception) -> None:
        """Something of the gateway failed in one of its threads."""
        if (handover := self.handover) is not None:
            handover.put(FAILED, (where, reason_of(error)[:500]))


class Gateway(Protocol):
    """`vnpy.trader.gateway.BaseGateway`, as far as it is used."""

    def connect(self, setting: dict[str, str | int | float | bool]) -> object:
        """Connect and log in, or begin to."""
        ...

    def subscribe(self, req: object) -> object:
        """Ask for the ticks of a `SubscribeRequest`."""
        ...

    def query_history(self, req: object) -> Sequence[object] | None:
        """Bars of a `HistoryRequest`; none where it has no history."""
        ...

    def close(self) -> object:
        """End the connection, where it does anything."""
        ...


def tapped(gateway: type, sink: Sink) -> Callable[..., Gateway]:
    """The class of a gateway whose callbacks `sink` takes: what the gateway itself does in one of them comes before.

    Orders and quotes are refused by PermissionError, also those that the gateway would send by itself; accounts and
    positions, which gateways ask for by their timer, are not asked for.
    """
    base = importlib.import_module("vnpy.trader.gateway").BaseGateway

    class Tap(base):  # type: ignore[misc,valid-type]
        """Behind the gateway, in the place of what hands events to VeighNa's engine."""

        def on_event(self, type: str, data: object = None) -> None:  # noqa: A002
            sink.event(type, data)

        def on_tick(self, tick: object) -> None:
            sink.tick(tick)

        def on_contract(self, contract: object) -> None:
            sink.contract(contract)

        def on_log(self, log: object) -> None:
            sink.log(log)

        def on_trade(self, trade: object) -> None:
            """Nothing: whose account it is is nobody's business here."""

        on_order = on_position = on_account = on_quote = on_trade

    def refuse(_: object, *__: object, **___: object) -> None:
        raise PermissionError(_REFUSED)

    def nothing(_: object, *__: object, **___: object) -> None:
        """Nothing: it is not asked for."""

    orders = dict.fromkeys(("send_order", "cancel_order", "send_quote", "cancel_quote"), refuse)
    accounts = dict.fromkeys(("query_account", "query_position"), nothing)
    made: type = type(gateway)(f"Tapped{gateway.__name__}", (gateway, Tap), {**orders, **accounts})
    made.__module__ = gateway.__module__
    return made


__all__ = ["CONTRACT_FIELDS", "LEVELS", "TICK_FIELDS", "Sink", "tapped"]
