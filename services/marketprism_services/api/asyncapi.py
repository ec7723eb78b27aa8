"""The AsyncAPI document: what is live, over NATS and over the WebSocket of the gateway."""

from __future__ import annotations

from typing import Annotated, TypeAlias, get_args

from msgspec import Meta, Raw, Struct

from marketprism_adapters.http.asyncapi import SCHEMAS, WebSocketChannel, asyncapi_document
from marketprism_adapters.http.operation import Schema
from marketprism_application.contracts.kinds import KINDS
from marketprism_services.api.stream.api import WEBSOCKET_PATH
from marketprism_services.api.stream.messages import Message, Request
from marketprism_services.api.stream.system_channels import SYSTEM_CHANNELS, SystemChannel
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

_SYSTEM_TEXT = (
    "A channel of the WebSocket and of server-sent events, by its whole name. It begins with what is (`snapshot`), the "
    "part of `GET /api/v1/system` of this name, and is sent again when that has become another; only the newest counts."
)
_EVENTS_TEXT = (
    "A channel of the WebSocket and of server-sent events, by its whole name: each event as it is told, none twice. "
    "`after` resumes at the same instance; at another one, or too late, it begins with a `gap`."
)
_ENVELOPE: Schema = {"ch": {"type": "string"}, "n": {"type": "integer"}, "snapshot": {"type": "boolean"}}
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
    found = asyncapi_document(KINDS.values(), socket, title="MarketPrism live data", version=version, description=_TEXT)
    for name, channel in SYSTEM_CHANNELS.items():
        key = name.replace(".", "_")
        found["channels"][key] = {
            "address": name,
            "title": channel.text,
            "description": f"{_SYSTEM_TEXT if channel.part else _EVENTS_TEXT} Needs the scope {channel.scope}.",
            "servers": [{"$ref": "#/servers/gateway"}],
            "messages": {key: {"$ref": f"#/components/messages/{key}"}},
            "x-scope": channel.scope,
        }
        payload = {"type": "object", "properties": _ENVELOPE | {"d": _shown_by(channel)}, "required": ["ch", "n", "d"]}
        found["components"]["messages"][key] = {
            "name": key,
            "summary": channel.text,
            "contentType": "application/json",
            "payload": payload,
        }
        found["operations"][f"send_{key}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{key}"},
            "summary": channel.text,
            "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
        }
    return found


def _shown_by(channel: SystemChannel) -> Schema:
    """The payload: the part of `GET /api/v1/system` under its name, or what was told by which service."""
    if not channel.part:
        names: Schema = {"service": {"type": "string"}, "name": {"type": "string"}, "event": {}}
        return {"type": "object", "properties": names, "required": list(names)}
    return {"type": "object", "properties": {channel.part: {}}, "required": [channel.part]}
