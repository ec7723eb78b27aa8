"""What venues send: frames, answers to requests, and files of their archives, of every market that there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache

import msgspec

from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook
from marketprism_adapters.venues.kit.simulated_past import PastPage
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS, PASTS
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.venue_messages import Message, encode_message, kind_of, message_id
from marketprism_application.venues.protocol import (
    FrameParser,
    Item,
    ParseRefused,
    RestRequest,
    StreamKey,
    Venue,
    read_answer,
    read_frame,
)
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from tests.fuzzing import venue_frames
from tests.fuzzing.mutation import choosing, mutated_json
from tests.fuzzing.target import Finding, Target, expect

NOW_MS = 1_767_225_600_000  # 2026-01-01
NOW = NOW_MS * 1_000_000
BASES = ("BTC",)


@cache
def _venue(market: str) -> Venue:
    return MARKETS[market].make("", "")


@cache
def _books(market: str) -> Mapping[str, SimulatedBook]:
    dialect = DIALECTS[market](BASES)
    books = {pair.symbol: SimulatedBook(pair, f"fuzz/{pair.symbol}", 5, 2, ts_ms=NOW_MS) for pair in dialect.pairs}
    for book in books.values():
        book.step(NOW_MS + 100)
        book.trade(NOW_MS + 100)
    return books


@cache
def _requests(market: str) -> tuple[RestRequest, ...]:
    """Every request that the market is asked, live and of its past; each path once."""
    venue, history = _venue(market), MARKETS[market].history("")
    symbol = DIALECTS[market](BASES).pairs[0].symbol
    found = [*venue.instrument_requests(), venue.snapshot_request(symbol), venue.snapshot_request(symbol, shallow=True)]
    found += filter(None, [venue.trades_request(symbol, 1, 3)])
    wanted = [StreamKey(kind, symbol) for kind in venue.coverage]
    found += [poll.request for poll in venue.polls(wanted)]
    day = 86_400_000_000_000
    for kind, row in history.kinds.items():
        interval = "1m" if "1m" in row.intervals else (row.intervals[0] if row.intervals else "")
        if row.form != "listed":
            found.append(history.page_request(kind, symbol, interval, NOW - day, NOW))
    with suppress(NotImplementedError):  # of a venue whose trades have no past
        found.append(history.trades_by_time(symbol, NOW - day, NOW))
    return tuple({(each.path, tuple(sorted(each.parameters.items()))): each for each in found}.values())


def _body(market: str, request: RestRequest) -> bytes | None:
    """What the simulated market answers."""
    for answer in (_past_answer, _live_answer):
        try:
            reply = answer(market, request)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if isinstance(reply, PastPage):
            return msgspec.json.encode(reply.wrap(list(reply.rows)[:2]))
        if isinstance(reply, Reply) and reply.status < 400:
            return msgspec.json.encode(reply.body)
    return None


def _past_answer(market: str, request: RestRequest) -> object:
    return PASTS[market](BASES).answer(request.path, dict(request.parameters))


def _live_answer(market: str, request: RestRequest) -> object:
    return DIALECTS[market](BASES).get(request.path, dict(request.parameters), _books(market), old=False)


@cache
def _instruments(market: str) -> tuple[InstrumentRecord, ...]:
    """Those of the simulated market's lists."""
    venue = MARKETS[market].make("", "")
    parser = venue.parser("fuzz")
    found: list[InstrumentRecord] = []
    waiting = list(venue.instrument_requests())
    while waiting:
        request = waiting.pop()
        body = _body(market, request)
        if body is not None:
            answer = read_answer(venue, request, body, NOW, parser)
            found += answer.instruments
            waiting += answer.more
    return tuple(found)


def _fresh(market: str) -> tuple[Venue, FrameParser]:
    """A venue and a parser that know the instruments, and no input before this one."""
    venue = MARKETS[market].make("", "")
    parser = venue.parser("fuzz")
    parser.learn(_instruments(market))
    return venue, parser


def _frames(market: str) -> list[bytes]:
    dialect = DIALECTS[market](BASES)
    found: list[str] = []
    for pair in dialect.pairs:
        book = _books(market)[pair.symbol]
        stream, frame = dialect.book(pair, book.step(NOW_MS + 200), wrong_checksum=False)
        found += [frame, dialect.begins(pair, book, stream) or "", dialect.trade(pair, book.prints[-1])[1]]
        found += [frame for _, frame in dialect.others(pair, book, NOW_MS)]
        found += [frame for _, frame in dialect.books(pair, book, book.step(NOW_MS + 300))] if _has(dialect) else []
    pushed = [frame.encode() for frame in dict.fromkeys(found) if frame]
    return [*pushed, *venue_frames.of_market(market, dialect.pairs[0].native)]


def _has(dialect: object) -> bool:
    return hasattr(dialect, "books") and hasattr(dialect, "trades")


def check_items(items: Sequence[Item]) -> None:
    """Every message of what a parser made can be encoded, and is read as the kind's record by whoever decodes it."""
    for item in items:
        if isinstance(item, Message):
            kind = kind_of(item)
            record = decode(kind, encode_message(item))
            expect(record.symbol == item.symbol and message_id(item), "a message is read as another one")
            expect(kind.name in KINDS, "a message is of no kind")


def _run_frame(market: str, frame: bytes) -> None:
    _, parser = _fresh(market)
    try:
        items = read_frame(parser, frame, NOW)
    except ParseRefused as refusal:
        _foreseen(refusal)
        raise
    check_items(items)


def _run_answer(market: str, request: RestRequest, body: bytes) -> None:
    try:
        venue, parser = _fresh(market)
        answer = read_answer(venue, request, body, NOW, parser)
    except ParseRefused as refusal:
        _foreseen(refusal)
        raise
    check_items(answer.items)
    for record in answer.instruments:
        expect(record.symbol, "an instrument without a name")


def _foreseen(refusal: ParseRefused) -> None:
    if refusal.reason == "unforeseen":
        raise Finding(str(refusal)) from refusal.__cause__


def _targets(market: str) -> list[Target]:
    reads = frozenset({f"market:{market}"})
    requests = _requests(market)

    def answers(data: bytes) -> None:
        _run_answer(market, requests[data[0] % len(requests) if data else 0], data[1:])

    def seeds() -> list[bytes]:
        bodies = ((number, _body(market, request)) for number, request in enumerate(requests))
        return [bytes([number]) + body for number, body in bodies if body is not None]

    return [
        Target(
            f"frames-{market}",
            lambda data: _run_frame(market, data),
            (ParseRefused,),
            lambda: _frames(market),
            mutated_json,
            reads,
        ),
        Target(f"answers-{market}", answers, (ParseRefused,), seeds, choosing(mutated_json, len(requests)), reads),
    ]


TARGETS = tuple(target for market in MARKETS for target in _targets(market))
