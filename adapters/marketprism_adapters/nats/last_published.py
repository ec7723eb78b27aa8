"""Where the last reader of a venue left off, from what it published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.contracts.kinds import ORDERBOOK, TRADE, DataKind
from marketprism_application.contracts.subjects import escape
from marketprism_application.contracts.venue_messages import Message, OrderBookMessage, TradeMessage
from marketprism_application.ports.sources import ResumePoint
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import answered, leader_get_last
from marketprism_sdk.nats.stream_reading import read_stream

_AT_ONCE = 64
_BEFORE_NS = 5_000_000_000  # clocks of two hosts, and what was being flushed when the place was saved
_AFTER_NS = 60_000_000_000


async def read_left_off(connection: NatsConnection, venue: str, symbols: Sequence[str], since: int) -> ResumePoint:
    """The newest trade and book step of each instrument, and the trades around `since`, when the place was last saved.

    To be read behind a fence: nobody else may be writing.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def last(symbol: str, kind: DataKind) -> Message | None:
        subject = kind.subject.format(venue=escape(venue), symbol=escape(symbol))
        async with room:
            found = await answered(lambda: leader_get_last(connection, streams.DATA, subject), streams.DATA)
        made = TradeMessage if kind is TRADE else OrderBookMessage
        return None if found is None else msgspec.msgpack.decode(found.data, type=made)

    trades = await asyncio.gather(*(last(symbol, TRADE) for symbol in symbols))
    books = await asyncio.gather(*(last(symbol, ORDERBOOK) for symbol in symbols))
    return ResumePoint(
        since,
        {each.symbol: each for each in trades if each is not None},
        {each.symbol: each for each in books if each is not None},
        await _recent(connection, venue, symbols, since) if since else (),
    )


async def _recent(connection: NatsConnection, venue: str, symbols: Sequence[str], since: int) -> list[Message]:
    """Other markets of the venue have subjects of the same form: only these instruments are asked for."""
    wanted = set(symbols)
    subject = TRADE.subject.format(venue=escape(venue), symbol="*")
    stored = await read_stream(connection, streams.DATA, [subject], start_ns=since - _BEFORE_NS)
    trades = (msgspec.msgpack.decode(each.data, type=TradeMessage) for each in stored)
    return [trade for trade in trades if trade.symbol in wanted and trade.ts_pub <= since + _AFTER_NS]
