"""Deribit's frames as types. Its numbers are JSON numbers: they are decoded as exact decimals, never as doubles."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Params(msgspec.Struct, Generic[T]):
    data: T


class Push(msgspec.Struct, Generic[T]):
    """`{"method": "subscription", "params": {"channel": …, "data": …}}`."""

    params: Params[T]


class Trade(msgspec.Struct):
    trade_seq: int
    trade_id: str
    timestamp: int
    price: Decimal
    instrument_name: str
    direction: str
    amount: Decimal
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    iv: Decimal | None = None
    contracts: Decimal | None = None
    liquidation: str = ""
    block_trade_id: str | int | None = None
    block_rfq_id: str | int | None = None


class Change(msgspec.Struct, array_like=True):
    """new, change or delete; the price; the amount, which a delete may leave out."""

    action: str
    price: Decimal
    amount: Decimal | None = None


class Book(msgspec.Struct):
    timestamp: int
    instrument_name: str
    change_id: int
    bids: list[Change]
    asks: list[Change]
    prev_change_id: int | None = None
    type: str = ""


class GroupedBook(msgspec.Struct):
    """`book.<name>.<group>.<depth>.<interval>`: a whole top."""

    timestamp: int
    instrument_name: str
    change_id: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class Stats(msgspec.Struct):
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    volume_usd: Decimal | None = None
    volume_notional: Decimal | None = None


class GreekLetters(msgspec.Struct):
    delta: Decimal | None = None
    gamma: Decimal | None = None
    vega: Decimal | None = None
    theta: Decimal | None = None
    rho: Decimal | None = None


class Ticker(msgspec.Struct):
    timestamp: int
    instrument_name: str
    stats: Stats
    last_price: Decimal | None = None
    best_bid_price: Decimal | None = None
    best_bid_amount: Decimal | None = None
    best_ask_price: Decimal | None = None
    best_ask_amount: Decimal | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    settlement_price: Decimal | None = None
    estimated_delivery_price: Decimal | None = None
    underlying_price: Decimal | None = None
    open_interest: Decimal | None = None
    current_funding: Decimal | None = None
    funding_8h: Decimal | None = None
    mark_iv: Decimal | None = None
    bid_iv: Decimal | None = None
    ask_iv: Decimal | None = None
    greeks: GreekLetters | None = None


class Quote(msgspec.Struct):
    timestamp: int
    instrument_name: str
    best_bid_price: Decimal | None = None
    best_bid_amount: Decimal | None = None
    best_ask_price: Decimal | None = None
    best_ask_amount: Decimal | None = None


class Chart(msgspec.Struct):
    tick: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    cost: Decimal


class HeadParams(msgspec.Struct):
    channel: str = ""
    type: str = ""


class Head(msgspec.Struct):
    """Just enough of a frame to know what it is."""

    method: str = ""
    params: HeadParams | None = None
    id: int | str | None = None
    result: Any = None
    error: Any = None
