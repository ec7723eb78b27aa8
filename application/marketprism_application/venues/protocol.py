"""What a venue's frames are turned into, and what a venue has to know how to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from marketprism_application.contracts.venue_messages import Message
from marketprism_domain.books.chain import BookChange, ChainRule
from marketprism_domain.books.sync import BookSnapshot
from marketprism_domain.marketdata.instrument_record import InstrumentRecord


class Quote(NamedTuple):
    """Best bid and ask of an instrument; `book_id` is the update id of the book that shows them, 0 when unknown."""

    venue: str
    symbol: str
    ts_event: int
    ts_recv: int
    book_id: int
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str


class Control(NamedTuple):
    """A frame that is no market data: what it is, which stream it is about, what it says.

    `what` is one of subscribed, unsubscribed, refused, pong, ping, notice, closing, ignored. `unknown`: nothing tells
    what it was, so it may have been anything that was subscribed.
    """

    what: str
    stream: str = ""
    text: str = ""
    reply: bytes | None = None  # what has to be sent back at once
    unknown: bool = False


Item = Message | BookChange | Quote | Control


class StreamKey(NamedTuple):
    """One stream of one instrument; `kind` is a name of the kind registry, or `quote`."""

    kind: str
    symbol: str
    detail: str = ""  # an interval of klines

    def __str__(self) -> str:
        return ".".join(filter(None, self))


class Coverage(NamedTuple):
    """How a venue delivers a kind: `stream`, `poll` or `derived`; `incomplete` says why it is not all, by design."""

    how: str
    incomplete: str = ""


class ParseRefused(Exception):
    """A frame that is not what the venue says it sends: names the field, what was expected and what it was.

    `frame` is the frame, where one was refused.
    """

    def __init__(self, reason: str, message: str, symbol: str = "", kind: str = "", frame: bytes = b"") -> None:
        super().__init__(message)
        self.frame = frame
        self.reason = reason
        self.symbol = symbol
        self.kind = kind


_AHEAD_NS = 86_400_000_000_000  # clocks that are further apart than a day are no clocks
_FIRST_NS = 946_684_800_000_000_000  # the year 2000


class FrameParser(Protocol):
    """Frames of one venue and market to items. Keeps what instruments it was told of, and what several frames make.

    `kinds`: those that are asked for, None for all. A frame that was asked for one kind may hold another one as well:
    a mark price is an item of its own only where it is asked for.
    """

    kinds: frozenset[str] | None

    def learn(self, instruments: Sequence[InstrumentRecord]) -> None:
        """Terms of instruments: contract sizes, names."""
        ...

    def parse(self, frame: bytes, ts_recv: int) -> Sequence[Item]:
        """Items of a frame, in its order.

        Raises:
            ParseRefused: a frame or a field of it is not what it should be.
        """
        ...

    def lost(self) -> None:
        """Frames may be missing from here on."""
        ...

    @property
    def scale(self) -> Callable[[str, str], str] | None:
        """(symbol, quantity as the venue wrote it) to an amount; None where they are the same for all instruments."""
        ...

    def money_of(self, symbol: str, price: Decimal, quantity: Decimal) -> Decimal:
        """Turnover of a trade in the quote currency."""
        ...


class RestRequest(NamedTuple):
    """A GET: path, parameters, its weight in the venue's own count, and the budget that it draws from."""

    path: str
    parameters: Mapping[str, str] = {}
    weight: float = 1
    budget: str = "rest"


class Answer(NamedTuple):
    """What a request brought.

    `ignored` says why nothing of it is used, `refused` which instruments were left out and why. A list in pages, or by
    groups that another list names, goes on with `more`.
    """

    instruments: Sequence[InstrumentRecord] = ()
    snapshots: Sequence[tuple[str, BookSnapshot]] = ()
    items: Sequence[Item] = ()
    ignored: str = ""
    refused: Sequence[str] = ()
    more: Sequence[RestRequest] = ()


class ConnectionGroup(NamedTuple):
    """Streams that may share connections: the endpoint, and the streams by the venue's names for them."""

    url: str
    streams: Mapping[str, StreamKey]


class VenueLimits(NamedTuple):
    """What the venue allows.

    `lifetime_s`: it cuts every connection at that age, 0 when it does not. `ping` is sent every `ping_s` where the
    venue wants to be asked. A connection without any frame for `silent_s` is dead. `budgets` are weights a second, and
    how much at once, by name. `used_header`: where an answer says how much of a minute's weight is used, and how much
    there is.
    """

    streams_per_connection: int = 200
    streams_per_message: int = 100
    messages_per_s: float = 3.0
    connects_per_s: float = 1.0
    connects_at_once: float = 1.0
    lifetime_s: float = 0.0
    ping_s: float = 0.0
    ping: bytes = b""
    silent_s: float = 60.0
    budgets: Mapping[str, tuple[float, float]] = {}
    used_header: tuple[str, float] = ("", 0.0)
    greeting: tuple[bytes, ...] = ()  # sent first on every connection


class Poll(NamedTuple):
    """A kind that has to be asked for, every `period_s` seconds, at whole multiples of it."""

    key: StreamKey
    period_s: float
    request: RestRequest


class VenueRequests(Protocol):
    """What is asked of a venue, and how its answers are read."""

    def instrument_requests(self) -> Sequence[RestRequest]:
        """What brings the whole instrument list, with what its answers ask for besides (`Answer.more`)."""
        ...

    def snapshot_request(self, symbol: str, *, shallow: bool = False) -> RestRequest:
        """What brings an instrument's book: as deep as the venue gives it, or as cheap as it is worth having."""
        ...

    def trades_request(self, symbol: str, first: int, last: int) -> RestRequest | None:
        """What brings trades of these ids, as many as one answer holds; None where trades cannot be had by their id."""
        ...

    def polls(self, wanted: Sequence[StreamKey]) -> Sequence[Poll]:
        """What has to be asked for again and again."""
        ...

    def answer(
        self, path: str, parameters: Mapping[str, str], body: bytes, ts_recv: int, parser: FrameParser
    ) -> Answer:
        """What a request's answer holds.

        Raises:
            ParseRefused: a refusal of the venue (`reason` is `refused`), or not what it should be.
        """
        ...


class Venue(VenueRequests, Protocol):
    """One market of one venue: its names, streams, requests, and how to read them. It does no I/O.

    `name` is its token in subjects, `market` its row of the registry. `rule`: how its book
    updates follow one another. `dense_trades`: it leaves out no trade id.
    `cadence_s`: the longest that a stream of a kind is quiet, 0 where quiet says nothing.
    """

    name: str
    market: str
    rule: ChainRule
    dense_trades: bool
    rest_url: str
    limits: VenueLimits
    coverage: Mapping[str, Coverage]
    cadence_s: Mapping[str, float]

    def parser(self, source: str) -> FrameParser:
        """What reads the frames of one source."""
        ...

    def groups(self, wanted: Sequence[StreamKey]) -> Sequence[ConnectionGroup]:
        """Where each stream is subscribed, and under which name."""
        ...

    def subscribe(self, streams: Sequence[str], request_id: int, *, undo: bool = False) -> bytes:
        """The frame that subscribes, or unsubscribes."""
        ...


def read_frame(parser: FrameParser, frame: bytes, ts_recv: int) -> Sequence[Item]:
    """Items of a frame, whatever is in it.

    Raises:
        ParseRefused: a frame or a field of it is not what it should be, or its event is of a day that cannot be.
            Nothing else: what a parser did not foresee is a refusal as well (`unforeseen`).
    """
    try:
        return checked(parser.parse(frame, ts_recv), ts_recv)
    except ParseRefused:
        raise
    except Exception as error:
        raise _unforeseen(error) from error


def read_answer(venue: VenueRequests, request: RestRequest, body: bytes, ts_recv: int, parser: FrameParser) -> Answer:
    """What a request's answer holds, whatever is in it.

    Raises:
        ParseRefused: as of `read_frame`, or a refusal of the venue (`reason` is `refused`).
    """
    try:
        answer = venue.answer(request.path, request.parameters, body, ts_recv, parser)
        checked(answer.items, ts_recv)
    except ParseRefused:
        raise
    except KeyError as error:
        problem = f"{request.path}: expected {error} among the parameters of the request"
        raise ParseRefused("missing", problem) from error
    except Exception as error:
        raise _unforeseen(error) from error
    for symbol, snapshot in answer.snapshots if ts_recv else ():
        _check_time(snapshot.ts_event, ts_recv, symbol, "orderbook")
    return answer


def checked(items: Sequence[Item], ts_recv: int) -> Sequence[Item]:
    """The same items. Raises ParseRefused: the event of one is of a day that cannot be.

    What was recorded without a receipt (`ts_recv` 0) has nothing to be compared with.
    """
    if not ts_recv:
        return items
    for item in items:
        if type(item) is not Control:
            ts = item.ts_event  # type: ignore[union-attr]
            if not _FIRST_NS <= ts <= ts_recv + _AHEAD_NS:
                _check_time(ts, ts_recv, item.symbol, type(item).__name__)  # type: ignore[union-attr]
    return items


def _check_time(ts: int, ts_recv: int, symbol: str, what: str) -> None:
    if not _FIRST_NS <= ts <= max(ts_recv, _FIRST_NS) + _AHEAD_NS:
        raise ParseRefused(
            "time",
            f"event time of {what}: expected one from the year 2000 to a day after receipt ({ts_recv} ns), was {ts} ns",
            symbol,
        )


def _unforeseen(error: Exception) -> ParseRefused:
    return ParseRefused("unforeseen", f"expected what the venue documents: {type(error).__name__}: {str(error)[:200]}")
