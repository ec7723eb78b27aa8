"""A market without sockets, whose frames can be spoilt on their way to the source."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec

from marketprism_adapters.venues.kit.simulated_market import SimulatedBook
from marketprism_adapters.venues.live.frame_intake import FrameIntake
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.venues.feed import FeedSettings
from marketprism_application.venues.protocol import RestRequest, StreamKey, Venue, read_answer
from marketprism_services.chaos.venues.audit import VenueAudit

PATH = "1"
_SECOND = 1_000_000_000
_encode = msgspec.json.Encoder(decimal_format="number").encode  # digits as they were written
_VALUES: tuple[Any, ...] = (
    None,
    "",
    "x",
    "NaN",
    "Infinity",
    "-1",
    "9" * 25,
    "1e999999",
    "1e-999999",
    -1,
    0,
    Decimal(10**30),
    1.5,
    True,
    [],
    {},
    [None],
    ["x"],
    "<half a pair>",
    "\u0000",
)


class Connection:
    """What a source asks of a connection, of one that carries everything."""

    url, up, renewing = "sim", True, False
    connects = renewals = losses = alive_ns = 0

    def __init__(self, venue: Venue, symbols: list[str]) -> None:
        keys = [StreamKey(kind, symbol) for kind in venue.coverage if kind != KLINE.name for symbol in symbols]
        self.streams = {name: key for group in venue.groups(keys) for name, key in group.streams.items()}

    def carries(self, path: str) -> bool:
        return path == PATH

    def asked_in(self, _: str) -> list[StreamKey]:
        return []

    def ignore(self, *_: Any) -> None: ...

    answered = reply = renew_soon = cut = ignore


class Bench:
    """A simulated market beside the part of a live source that takes frames; the audit knows the truth."""

    def __init__(self, market: str, seed: int) -> None:
        row = MARKETS[market]
        self.dialect = DIALECTS[market](("BTC", "ETH"))
        self.venue = row.make("", "")
        now = time.time_ns() // 1_000_000
        self.books = {
            pair.symbol: SimulatedBook(pair, f"{seed}/{pair.symbol}", 30, 3, ts_ms=now) for pair in self.dialect.pairs
        }
        self.desk = FrameIntake(self.venue, market, FeedSettings(quote_ms=0), None, 10**9, lambda _: None)
        self.desk.symbols = list(self.books)
        self.connection: Any = Connection(self.venue, list(self.books))
        self.desk.connections = [self.connection]
        self.audit = VenueAudit(SimpleNamespace(books=self.books))  # type: ignore[arg-type]
        self.desk.on_up(self.connection)
        self.feed = self.desk.feed
        self.settle()

    def frames(self) -> list[str]:
        """What the market does next, in the order in which it is sent."""
        made, now = [], time.time_ns() // 1_000_000
        for pair in self.dialect.pairs:
            book = self.books[pair.symbol]
            told = [
                self.dialect.book(pair, book.step(now), wrong_checksum=False),
                self.dialect.trade(pair, book.trade(now)),
            ]
            made += [
                frame
                for stream, frame in (*told, *self.dialect.others(pair, book, now))
                if stream in self.connection.streams
            ]
        return made

    def take(self, frame: str | bytes) -> None:
        """One frame comes."""
        self.desk.waiting = 0
        self.desk.on_frame(frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame, PATH)

    def settle(self, turns: int = 4) -> None:
        """The market goes on, books that are not valid begin anew, and everything is told."""
        for _ in range(turns):
            for frame in self.frames():
                self.take(frame)
            for symbol in list(self.feed.books.needed):
                self._begin(symbol)
            self.told()

    def _begin(self, symbol: str) -> None:
        pair = next(each for each in self.dialect.pairs if each.symbol == symbol)
        if self.venue.rule.by_request:
            request = self.venue.snapshot_request(symbol)
            answer = read_answer(self.venue, request, self.answer(request), time.time_ns(), self.feed.parser)
            self.feed.books.on_snapshot(symbol, answer.snapshots[0][1])
            return
        for stream, key in self.connection.streams.items():
            begun = self.dialect.begins(pair, self.books[symbol], stream) if key.kind == "orderbook" else None
            if begun is not None:
                self.take(begun)

    def answer(self, request: RestRequest) -> bytes:
        """What the venue answers."""
        path, parameters = request.path, dict(request.parameters)
        return msgspec.json.encode(self.dialect.get(path, parameters, self.books, old=False).body)

    def told(self) -> None:
        """What the source would hand on goes to the audit, and nothing of it is too large for a message."""
        self.desk._name_unread()
        self.feed.on_clock(time.time_ns())
        found = self.feed.collect()
        for message in found.messages:
            msgspec.msgpack.encode(message)
        msgspec.msgpack.encode(found.ticks)
        self.audit.on_batch(SourceBatch(found.ticks, 0, {}, found.gaps, messages=found.messages))

    @property
    def wrong(self) -> list[str]:
        """What was wrong so far. COIN-M's contracts are told as money: its books are followed by their ids only."""
        return [said for said in self.audit.wrong if "coinm" not in self.venue.market or "of every gap" in said]

    def conclude(self) -> list[str]:
        """What was wrong; nothing is waited for any more."""
        self.settle()
        self.feed.on_clock(time.time_ns() + 60 * _SECOND)
        self.told()
        self.audit.conclude()
        return [*self.wrong, *(f"{symbol} is not valid" for symbol in self.audit.invalid())]


def spoilt(frame: str, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """A frame with each of its fields spoilt in one way by chance, and the whole of it in every way."""
    whole = frame.encode()
    yield "cut", whole[: chance.randrange(len(whole))]
    yield "no UTF-8", whole[:30] + b"\xff\xfe" + whole[30:]
    yield "nested", b'{"a":' * 3_000 + whole
    yield "in a list", b"[" + whole + b"]"
    yield "empty", b""
    yield "twice", whole + whole
    held = json.loads(frame, parse_float=Decimal)
    for place in list(_places(held)):
        name = ".".join(map(str, place))
        changed = json.loads(frame, parse_float=Decimal)
        at = changed
        for step in place[:-1]:
            at = at[step]
        value = at[place[-1]]
        if isinstance(at, dict) and chance.random() < 0.2:
            del at[place[-1]]
            yield f"{name} gone", _encode(changed)
            continue
        plain = isinstance(value, int) and not isinstance(value, bool)
        units = [value * 1_000, value // 1_000, value * 10**6, value * 86_400] if plain and value > 10**12 else []
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        # Another number where a price or an amount is a number cannot be told from a right one.
        choices = [each for each in _VALUES if not (number and not units and isinstance(each, int | float | Decimal))]
        choices = [each for each in choices if not (value in ([], {}, "") or (isinstance(value, list) and each == []))]
        made = chance.choice([*choices, *units, *units]) if choices else "x"
        at[place[-1]] = made
        yield f"{name} {made!r}"[:80], _encode(changed).replace(b"<half a pair>", b"\xed\xa0\xbd")


def _places(held: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    for key, value in inside:
        yield (*at, key)
        yield from _places(value, (*at, key))
