"""An AsyncAPI 3.0 document: subjects of NATS from the registry of kinds, a WebSocket from the types of its messages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from marketprism_adapters.http.operation import Schema
from marketprism_adapters.http.record_schemas import message_schema
from marketprism_application.contracts.kinds import DataKind

SCHEMAS = "#/components/schemas/"
_IN_ADDRESS = re.compile(r"{(\w+)}")
_PARAMETERS = {
    "symbol": "the instrument; what is no letter, digit, - or _ is =XX, two hex digits a byte",
    "venue": "where it trades, in lower case",
    "interval": "like 1m, 1h or 1d",
    "name": "of the event, like gap.detected",
}


class WebSocketChannel(NamedTuple):
    """A WebSocket: its path, what it is for, its subprotocols, and the types of what is sent to and by the server."""

    path: str
    description: str
    subprotocols: tuple[str, ...]
    requests: Sequence[type[msgspec.Struct]]
    answers: Sequence[type[msgspec.Struct]]


def asyncapi_document(
    kinds: Iterable[DataKind], socket: WebSocketChannel, *, title: str, version: str, description: str
) -> Schema:
    """The document, as JSON has it, written as the one that is described sees it: it sends records, and receives what
    is asked over the WebSocket."""
    channels: Schema = {}
    operations: Schema = {}
    messages: Schema = {}
    schemas: Schema = {}
    for kind in kinds:
        name = kind.name
        schemas[name] = message_schema(kind)
        messages[name] = _message(name, f"A {name}, as it is published.", "application/msgpack", name)
        channels[name] = _of_kind(kind)
        operations[f"send_{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"Each {name}, when there is one.",
            "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        }
    _add_socket(socket, channels, operations, messages, schemas)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version, "description": description},
        "defaultContentType": "application/msgpack",
        "servers": {
            "nats": _server("nats", 4222, "NATS; JetStream has what was published, as long as its stream does."),
            "gateway": _server("ws", 8080, "The API gateway; wss where it has a certificate."),
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _server(protocol: str, port: int, text: str) -> Schema:
    return {
        "host": f"{{host}}:{port}",
        "protocol": protocol,
        "description": text,
        "variables": {"host": {"default": "127.0.0.1"}},
    }


def _message(name: str, summary: str, content_type: str, schema: str) -> Schema:
    return {
        "name": name,
        "summary": summary,
        "contentType": content_type,
        "payload": {"$ref": f"{SCHEMAS}{schema}"},
    }


def _of_kind(kind: DataKind) -> Schema:
    return {
        "address": kind.subject,
        "title": f"Subject of a {kind.name}",
        "description": f"`*` stands for any one token. The stream {kind.stream} has them.",
        "servers": [{"$ref": "#/servers/nats"}],
        "parameters": {name: {"description": _PARAMETERS[name]} for name in _IN_ADDRESS.findall(kind.subject)},
        "messages": {kind.name: {"$ref": f"#/components/messages/{kind.name}"}},
        "x-stream": kind.stream,
    }


def _add_socket(
    socket: WebSocketChannel, channels: Schema, operations: Schema, messages: Schema, schemas: Schema
) -> None:
    """Its channel, both directions, and their messages, whose names and schemas begin with `stream.`."""
    types = (*socket.requests, *socket.answers)
    found, used = msgspec.json.schema_components(types, ref_template=f"{SCHEMAS}stream.{{name}}")
    schemas.update({f"stream.{name}": schema for name, schema in used.items()})
    for of, shown in zip(types, found, strict=True):
        name = f"stream.{of.__name__}"
        messages[name] = {
            "name": name,
            "summary": (inspect.getdoc(of) or "").partition("\n\n")[0].replace("\n", " "),
            "contentType": "application/json",
            "payload": shown,
        }
    channels["stream"] = {
        "address": socket.path,
        "title": "Everything live, over one WebSocket",
        "description": socket.description,
        "servers": [{"$ref": "#/servers/gateway"}],
        "messages": {f"stream.{of.__name__}": {"$ref": f"#/components/messages/stream.{of.__name__}"} for of in types},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {"Sec-WebSocket-Protocol": {"type": "string", "enum": list(socket.subprotocols)}},
                },
                "bindingVersion": "0.1.0",
            }
        },
    }
    for name, action, of_direction, text in (
        ("receive_requests", "receive", socket.requests, "What a client asks."),
        ("send_answers", "send", socket.answers, "What it is answered, and the data of its channels."),
    ):
        operations[name] = {
            "action": action,
            "channel": {"$ref": "#/channels/stream"},
            "summary": text,
            "messages": [{"$ref": f"#/channels/stream/messages/stream.{of.__name__}"} for of in of_direction],
        }
