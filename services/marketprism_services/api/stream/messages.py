"""The protocol's messages: what a client may ask, and what it is answered. Version 1."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

PROTOCOL = 1
Id: TypeAlias = Annotated[str, Meta(max_length=64)] | int | None
Mode: TypeAlias = Literal["latest", "all"]


class ChannelRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel that is wanted. `snapshot` is how many messages it begins with, or whether it begins with the newest.

    `after` is a resume token. `mode` and `snapshot` follow the kind where they are not given; `every_ms` paces states,
    `depth` bounds the levels of a book's snapshot (0: all).
    """

    ch: Annotated[str, Meta(max_length=256)]
    snapshot: bool | Annotated[int, Meta(ge=0, le=100_000)] | None = None
    after: Annotated[str, Meta(max_length=128)] | None = None
    mode: Mode | None = None
    every_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    depth: Annotated[int, Meta(ge=0, le=10_000)] = 0


class _Request(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag=str.lower):
    id: Id = None


class Subscribe(_Request, kw_only=True, frozen=True):
    """Channels from now on; with `batch` a message is an array of what came together (asked in the first one)."""

    channels: list[ChannelRequest | str]
    batch: bool = False


class Unsubscribe(_Request, kw_only=True, frozen=True):
    """Channels no more."""

    channels: list[str]


class List(_Request, frozen=True):
    """Which channels there are."""


class Ping(_Request, frozen=True):
    """Whether the server is there."""


class Auth(_Request, kw_only=True, frozen=True):
    """Who asks."""

    token: Annotated[str, Meta(max_length=8_192)]


Request: TypeAlias = Subscribe | Unsubscribe | List | Ping | Auth


class _Message(Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """A message that is no data."""


class Hello(_Message, tag="hello", kw_only=True, frozen=True):
    """The first message of a connection whose principal is known."""

    protocol: int
    server: str
    instance: str
    heartbeat_s: float
    limits: dict[str, float]
    ts: int


class Subscribed(_Message, tag="subscribed", kw_only=True, frozen=True):
    """A channel is on: `at` is the token behind which it begins."""

    id: Id = None
    ch: str
    mode: Mode
    at: str


class Unsubscribed(_Message, tag="unsubscribed", kw_only=True, frozen=True):
    """Channels that are off now."""

    id: Id = None
    channels: list[str]


class Channels(_Message, tag="channels", kw_only=True, frozen=True):
    """The channels of a connection, each with its mode and the token behind what was sent."""

    id: Id = None
    channels: list[dict[str, str]]


class Pong(_Message, tag="pong", kw_only=True, frozen=True):
    """The server is there; `ts` is its time, nanoseconds UTC."""

    id: Id = None
    ts: int


class Authenticated(_Message, tag="authenticated", kw_only=True, frozen=True):
    """Who asks is known."""

    id: Id = None
    principal: str


class Conflated(_Message, tag="conflated", kw_only=True, frozen=True):
    """So many messages of a channel of states were skipped since a time, each for a newer one of its subject."""

    ch: str
    skipped: int
    since: int


class Lagging(_Message, tag="lagging", kw_only=True, frozen=True):
    """A tape is read too slowly to be sent live: it is read from the stream behind `n`, at the reader's pace."""

    ch: str
    n: int


class CaughtUp(_Message, tag="caught_up", kw_only=True, frozen=True):
    """A tape that was lagging is live again behind `n`."""

    ch: str
    n: int


class Gap(_Message, tag="gap", kw_only=True, frozen=True):
    """Messages between `after` and `first` are not in the stream any more; `read` is the path that holds the rest."""

    ch: str
    after: str
    first: str
    reason: Literal["aged_out", "other_stream"]
    read: str | None = None


class Heartbeat(_Message, tag="heartbeat", kw_only=True, frozen=True):
    """Nothing else was sent. `at` moves the tokens of all channels of a stream on to a sequence."""

    ts: int
    at: dict[str, int]


class Notice(_Message, tag="notice", kw_only=True, frozen=True):
    """What a client should know: DRAINING, UPSTREAM_AWAY, UPSTREAM_BACK, LEFT_OUT, NO_SNAPSHOT."""

    code: str
    ch: str | None = None
    in_s: float | None = None
    count: int | None = None
    message: str | None = None


class Error(_Message, tag="error", kw_only=True, frozen=True):
    """What was asked is not done. A fatal one is followed by the close."""

    id: Id = None
    ch: str | None = None
    code: str
    fatal: bool = False
    message: str


Message: TypeAlias = (
    Hello
    | Subscribed
    | Unsubscribed
    | Channels
    | Pong
    | Authenticated
    | Conflated
    | Lagging
    | CaughtUp
    | Gap
    | Heartbeat
    | Notice
    | Error
)


class MalformedRequest(ValueError):
    """Bytes that are no request; `fatal` where nobody who means well sends them."""

    def __init__(self, text: str, *, fatal: bool = False) -> None:
        super().__init__(text)
        self.fatal = fatal


_json: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_msgpack: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*"?|([\[{])|([\]}])', re.DOTALL)


def is_nested_deeper(text: bytes, depth: int) -> bool:
    """Whether arrays and objects of a JSON text lie deeper in one another than that."""
    if text.count(b"[") + text.count(b"{") <= depth:
        return False
    deep = 0
    for found in _NESTING.finditer(text):
        if found[1]:
            deep += 1
            if deep > depth:
                return True
        elif found[2]:
            deep -= 1
    return False


def request_of(payload: bytes, *, is_text: bool, depth: int) -> Request:
    """The request of a message, JSON where it is text, else MessagePack.

    Raises:
        MalformedRequest: it is none.
    """
    if is_text and is_nested_deeper(payload, depth):
        raise MalformedRequest(f"message: expected JSON of at most {depth} levels, was deeper", fatal=True)
    try:
        found: Request = _json.decode(payload) if is_text else _msgpack.decode(payload)
    except UnicodeDecodeError as error:
        raise MalformedRequest("message: expected text in UTF-8, was not", fatal=True) from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MalformedRequest(f"message: expected a request of the protocol: {error}") from error
    return found
