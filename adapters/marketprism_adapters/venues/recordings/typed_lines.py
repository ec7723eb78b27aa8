"""Recordings whose lines are JSON objects that say what they are: cryptofeed's, since its third version.

`{"t": "recv", "conn": …, "ts": <seconds>, "data": "<frame>"}`; `t` is `header`, `http` (with `url`), `connect` and
`send` (with `addr`), or `recv`. The payload is a text, or base64 in `b64`. Keys stand in any order.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from marketprism_adapters.venues.kit.numbers import UNREADABLE, instant
from marketprism_application.venues.protocol import ParseRefused

HEADER, HTTP, CONNECT, SEND, RECV = "header", "http", "connect", "send", "recv"
_TYPED = re.compile(rb'"t"\s*:\s*"(?:header|http|connect|send|recv)"')
_PRACTICE = re.compile(rb'"(?:sandbox|testnet|demo)"\s*:\s*true')  # a recorder's word for another network
_LOOKED_AT = 400  # bytes at either end of a line: a payload may stand between the keys


class _Line(msgspec.Struct):
    t: str
    ts: Decimal | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    b64: str = ""
    url: str = ""
    addr: str = ""
    exchange: str = ""
    conn: Any = None


class Typed(NamedTuple):
    """A line: what it is, when it was recorded (ns UTC, 0 of a header), its payload, and its address or exchange."""

    what: str
    ts: int
    payload: bytes
    address: str
    connection: str = ""


_line = msgspec.json.Decoder(_Line)


def is_typed(line: bytes) -> bool:
    """Whether a line says what it is."""
    return _TYPED.search(line, 0, _LOOKED_AT) is not None or _TYPED.search(line[-_LOOKED_AT:]) is not None


def typed(line: bytes) -> Typed:
    """A line, read.

    Raises:
        ParseRefused: it is not whole, or has no time.
    """
    try:
        held = _line.decode(line)
        payload = base64.b64decode(held.b64, validate=True) if held.b64 else _payload(held.data)
    except binascii.Error as error:
        raise ParseRefused("malformed", f"b64: expected base64: {error}") from error
    except UNREADABLE as error:
        raise ParseRefused("malformed", f"expected a whole line with t, ts and data: {error}") from error
    if held.t == HEADER:
        return Typed(HEADER, 0, b"", f"{held.exchange}_TESTNET" if _PRACTICE.search(line) else held.exchange)
    if held.ts is None:
        raise ParseRefused("time", "ts: expected a time since 1970, there is none")
    return Typed(
        held.t, instant(held.ts, "ts"), payload, held.url or held.addr, held.conn if isinstance(held.conn, str) else ""
    )


def _payload(data: msgspec.Raw) -> bytes:
    """A text's bytes; of an object its own."""
    held = bytes(data).strip()
    if held.startswith(b'"'):
        return msgspec.json.decode(held, type=str).encode("utf-8", "surrogatepass")
    return b"" if held == b"null" else held


class Address(NamedTuple):
    """An address in its parts, the host in lower case and without a port."""

    host: str
    path: str
    parameters: Mapping[str, str]


def address_of(text: str) -> Address:
    """The parts of a URL. Raises ValueError: none."""
    parts = urlsplit(text)
    return Address((parts.hostname or "").rstrip("."), parts.path, dict(parse_qsl(parts.query, max_num_fields=100)))
