"""What the client library reads: HTTP, WebSocket, messages of the live stream, answers, and what its callers give it."""

from __future__ import annotations

import asyncio
import gzip

import msgspec
import pyarrow as pa

from marketprism_application.contracts.codec import decode, encode
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.queries.arrow_tables import table_of
from marketprism_client import QueryFailed
from marketprism_client._answer import Answer
from marketprism_client._columns import computed
from marketprism_client._fields import asked_columns, check_fields, deepest
from marketprism_client._http import HttpError, Place, Wire, request_bytes
from marketprism_client._http_line import _refusal
from marketprism_client._names import matches, names_of
from marketprism_client._records import record_of
from marketprism_client._times import day_text, nanoseconds, zone_of
from marketprism_client._web_stream import _Socket as Socket
from marketprism_client._web_stream import _Subscription, covers, overlap
from marketprism_client._websocket import WebSocket
from tests.contract.test_codec import SAMPLES
from tests.fuzzing.mutation import mutated_bytes, mutated_json, mutated_msgpack, words
from tests.fuzzing.target import Target, expect, text_of


class _Writer:
    """The other half of a connection: nothing is sent anywhere."""

    def close(self) -> None: ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def is_closing(self) -> bool:
        return False


def _wire(data: bytes) -> Wire:
    reader = asyncio.StreamReader(limit=65_536)
    reader.feed_data(data)
    reader.feed_eof()
    return Wire(reader, _Writer())  # type: ignore[arg-type]


def _http(data: bytes) -> None:
    asyncio.run(_one_answer(data))


async def _one_answer(data: bytes) -> None:
    wire = _wire(data)
    head = await wire.head()
    body = await wire.body(head, "GET")
    expect(len(body) <= 1_100 * max(len(data), 1), f"{len(data)} bytes became {len(body)}")


def _http_seeds() -> list[bytes]:
    packed = gzip.compress(b"hello")
    return [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(packed), packed),
        b"HTTP/1.0 204 None\r\n\r\n",
    ]


def _socket(data: bytes) -> None:
    asyncio.run(_messages(data))


async def _messages(data: bytes) -> None:
    socket = WebSocket(_wire(data))
    for _ in range(50):
        if await socket.receive() is None:
            break


class _Followed(Socket):
    """A socket that is there, and follows these."""

    def __init__(self, *wanted: _Subscription) -> None:
        self._wanted = {each.subject: each for each in wanted}
        self._asked = {1: wanted[0].subject}
        self._failed = None

    def take(self, data: bytes) -> None:
        self._take(data)


def _stream(data: bytes) -> None:
    """A message of the live stream, to a program that follows two channels."""
    one, other = (_Subscription(subject) for subject in ("market.tick.ru1901", "market.bar.1m.*"))
    one.begin("MARKET_TICKS/a/5")
    _Followed(one, other).take(data)
    for each in (one, other):
        expect(each.seq >= 0 and isinstance(each.token, str), "a place before the beginning")


def _stream_seeds() -> list[bytes]:
    controls = (
        {"type": "subscribed", "ch": "market.bar.1m.*", "at": "MARKET_BARS/a/7", "id": 1},
        {"type": "heartbeat", "at": {"MARKET_TICKS": 9}},
        {"type": "gap", "ch": "market.tick.ru1901", "first": "MARKET_TICKS/a/12", "reason": "gone"},
        {"type": "error", "id": 1, "code": "X", "message": "m", "ch": "market.tick.ru1901"},
    )
    return [
        msgspec.msgpack.encode(["market.tick.ru1901", 6, b"payload"]),
        *(msgspec.msgpack.encode(each) for each in controls),
    ]


def _given(data: bytes) -> None:
    """What a caller gives: places, names, times, zones, fields, channels."""
    text, _, other = text_of(data).partition("\n")
    for ask in (
        Place.of,
        names_of,
        zone_of,
        lambda given: nanoseconds(given, "start"),
        lambda given: day_text(given, "day"),
        lambda given: check_fields([given], ["open", "bid_price_1"]),
        lambda given: asked_columns(KINDS["tick"], [given]),
    ):
        try:
            ask(text)
        except (ValueError, QueryFailed):
            continue
    deepest([text])
    expect(overlap(text, other) == overlap(other, text), "an overlap in one direction")
    covers(text, other)
    matches(SAMPLES["tick"], [text, other])
    place = Place.of("http://h:80/x")
    expect(request_bytes("GET", place, "/a", {"A": text}).count(b"\r\n") == 4, "a header became two")


def _answer(data: bytes) -> None:
    """Rows of any message: as records, as columns."""
    kind = KINDS["tick"]
    record = decode(kind, data)
    try:
        table = table_of(kind, [record])
    except (OverflowError, pa.ArrowException):
        return  # no store has such a row
    found = Answer(table, lambda row: record_of(kind, row), time_field="ts_event", tz="UTC")
    for each in found.to_pylist():
        record_of(kind, each)
    computed(table, decimals=False, tz="UTC", depth=2)


def _refused(data: bytes) -> None:
    expect(str(_refusal(500, data)), "a refusal without words")


TARGETS = (
    Target("client-http", _http, (HttpError,), _http_seeds, mutated_bytes),
    Target(
        "client-socket",
        _socket,
        (HttpError,),
        lambda: [
            b"\x82\x02ab\x88\x02\x03\xe8",
            b"\x02\x01a\x80\x01b\x89\x00\x8a\x00",
            b"\x82\x7e\x00\x80" + bytes(128),
        ],
        mutated_bytes,
    ),
    Target("client-stream", _stream, (msgspec.MsgspecError, UnicodeDecodeError), _stream_seeds, mutated_msgpack),
    Target(
        "client-given",
        _given,
        (ValueError,),
        lambda: [
            b"https://h:8080/x\nmarket.>",
            b"rb2505.SHFE,ru*\na",
            b"2018-10-08T21:00+08:00\n",
            b"bid_price_1\nmarket.*.a",
        ],
        words(
            "http://",
            "[",
            "]",
            ":",
            "99999",
            "*",
            ">",
            ".",
            "\n",
            "\r",
            "bid_price_",
            "ask_volume_",
            "2018-10-08",
            "+08:00",
            ",",
        ),
    ),
    Target("client-answer", _answer, (ValueError,), lambda: [encode(KINDS["tick"], SAMPLES["tick"])], mutated_msgpack),
    Target("client-refusal", _refused, (), lambda: [b'{"error":{"code":"X","message":"m"}}'], mutated_json),
)
