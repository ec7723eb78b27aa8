"""What comes over WebSockets and event streams: frames, requests, channels, tokens."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, quote

import msgspec
from aiohttp.test_utils import make_mocked_request

from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_services.api.stream.channel_names import ChannelError, covers, filters_of, overlap, parse_channel
from marketprism_services.api.stream.frames import FrameError, FrameReader, frame
from marketprism_services.api.stream.messages import MalformedRequest, request_of
from marketprism_services.api.stream.sse import EventRequestError, channels_of
from marketprism_services.api.stream.tokens import Token, TokenError
from tests.fuzzing.mutation import choosing, mutated_bytes, mutated_json, words
from tests.fuzzing.target import Target, expect, text_of

_ALL = Principal("fuzz", "user", frozenset(Scope))


def _fed(pieces: list[bytes]) -> tuple[list[tuple[int, bytes]], str]:
    reader, found = FrameReader(4_096), []
    for piece in pieces:
        try:
            found += [(each.opcode, bytes(each.payload)) for each in reader.feed(piece)]
        except FrameError as error:
            return found, str(error)
    return found, ""


def _frames_alike(data: bytes) -> None:
    """Frames of a WebSocket in one piece, and byte by byte: the same messages, or the same refusal."""
    whole, refused = _fed([data])
    parts, refused_parts = _fed([data[at : at + 1] for at in range(len(data))])
    expect(refused == refused_parts, "pieces are refused otherwise than the whole")
    expect(refused or parts == whole, "pieces are not the whole")


def _masked(payload: bytes, opcode: int) -> bytes:
    made = frame(opcode, payload)
    head = 2 if len(payload) < 126 else 4
    return bytes([made[0], made[1] | 0x80]) + made[2:head] + b"\0\0\0\0" + made[head:]


def _message(data: bytes) -> None:
    is_text = data[:1] < b"\x01"
    request = request_of(data[1:], is_text=is_text, depth=8)
    again = msgspec.json.encode(request) if is_text else msgspec.msgpack.encode(request)
    expect(request_of(again, is_text=is_text, depth=8) == request, "a request is written as another one")


def _message_seeds() -> list[bytes]:
    asked = [
        {
            "op": "subscribe",
            "id": 1,
            "channels": [
                "market.tick.ru1901",
                {"ch": "market.bar.1m.*", "snapshot": 5, "mode": "all", "after": "MARKET_BARS/a/1"},
            ],
        },
        {"op": "unsubscribe", "channels": ["a"]},
        {"op": "list"},
        {"op": "ping", "id": "x"},
        {"op": "auth", "token": "t"},
    ]
    return [b"\0" + json.dumps(each).encode() for each in asked] + [
        b"\1" + msgspec.msgpack.encode(each) for each in asked
    ]


def _channel(data: bytes) -> None:
    texts = text_of(data).split("\n")[:4]
    found = [parse_channel(text) for text in texts]
    for each in found:
        expect(parse_channel(each.text) == each, "a channel is written as another one")
    if len(found) > 1 and not any(each.is_system for each in found):
        one, other = found[0].tokens, found[1].tokens
        expect(overlap(one, other) == overlap(other, one), "an overlap in one direction")
        expect(not covers(one, other) or overlap(one, other), "what covers another has nothing in common with it")
        filters_of([one, other], found[0].stream, 20)


def _events(data: bytes) -> None:
    query, _, token = text_of(data).partition("\n")
    given = "&".join(f"{quote(name)}={quote(value)}" for name, value in parse_qsl(query, keep_blank_values=True))
    headers = {"Last-Event-ID": token} if token and token.isprintable() and token.isascii() else {}
    channels_of(make_mocked_request("GET", f"/x?{given}", headers=headers), _ALL)


def _token(data: bytes) -> None:
    token = Token.parse(text_of(data))
    expect(Token.parse(str(token)) == token, "a token is written as another one")


_CHANNELS = (
    "market.",
    "tick.",
    "bar.",
    "1m.",
    "*",
    ">",
    "system.",
    "ru1901",
    "binance.",
    "trade",
    "gap.",
    "=2E",
    "\n",
    "orderbook.top",
)

TARGETS = (
    Target(
        "stream-frames",
        _frames_alike,
        (),
        lambda: [
            _masked(b"{}", 1) + _masked(b"a" * 200, 2),
            _masked(b"", 8),
            _masked(b"x", 9),
            b"\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b",
        ],
        mutated_bytes,
    ),
    Target("stream-request", _message, (MalformedRequest,), _message_seeds, choosing(mutated_json, 2)),
    Target(
        "stream-channel",
        _channel,
        (ChannelError,),
        lambda: [
            b"market.tick.ru1901",
            b"market.bar.1m.*\nmarket.bar.>",
            b"market.*.BTC-USDT.trade\nmarket.binance.>",
            b"system.alerts",
        ],
        words(*_CHANNELS),
    ),
    Target(
        "stream-events",
        _events,
        (EventRequestError,),
        lambda: [
            b"ch=market.tick.ru1901&ch=market.bar.1m.*&mode=all\nMARKET_TICKS/a/1,-",
            b"ch=market.tick.ru1901&snapshot=5&depth=1&every_ms=10",
        ],
        words(*_CHANNELS, "&ch=", "mode=", "all", "snapshot=", "after=", "MARKET_TICKS/a/", ","),
    ),
    Target(
        "stream-token",
        _token,
        (TokenError,),
        lambda: [b"MARKET_TICKS/hzo6kr2t8wow/48210"],
        words("/", "MARKET_TICKS", "0", "z"),
    ),
)
