"""The AsyncAPI document: what is live, over NATS and over the WebSocket of the gateway."""

from __future__ import annotations

from typing import Annotated, TypeAlias, get_args

from msgspec import Meta, Raw, Struct

from marketprism_adapters.http.asyncapi import SCHEMAS, WebSocketChannel, asyncapi_document
from marketprism_adapters.http.operation import Schema
from marketprism_application.contracts.kinds import KINDS
from marketprism_services.api.stream.api import WEBSOCKET_PATH
from marketprism_services.api.stream.messages import Message, Request
from marketprism_services.api.stream.websocket import JSON, MSGPACK

_TEXT = (
    "Market data as it comes. A message of NATS is a MessagePack map: decimals are strings, times nanoseconds since "
    "1970 in UTC, and what has no value is not there. Any NATS client may subscribe; JetStream has what was "
    "published before. The WebSocket carries the same subjects to browsers and other programs outside."
)
_SOCKET_TEXT = (
    "Names of channels are subjects of NATS, `*` and a trailing `>` allowed. What came last is sent first, then what "
    "is live; `after` resumes behind a token, at any instance. States (`latest`) are conflated for slow readers, which "
    "says so; a tape (`all`) is never skipped. Credentials go in the headers of the upgrade or in the first message, "
    "never in the URL."
)

_KINDS = [{"$ref": SCHEMAS + name} for name in KINDS]
_Record: TypeAlias = Annotated[dict[str, Raw], Meta(extra_json_schema={"anyOf": _KINDS})]


class Data(Struct, frozen=True, omit_defaults=True):
    """A message of a channel: `n` is its sequence in the stream, `d` the record as NATS has it, in JSON."""

    ch: str
    n: int
    d: _Record
    snapshot: bool = False


def api_document(version: str) -> Schema:
    """The document of this version of the service."""
    socket = WebSocketChannel(
        WEBSOCKET_PATH,
        _SOCKET_TEXT,
        (JSON, MSGPACK),
        get_args(Request),
        (Data, *get_args(Message)),
    )
    return asyncapi_document(KINDS.values(), socket, title="MarketPrism live data", version=version, description=_TEXT)
