"""`docs/reference/messages.md`: channels and messages of NATS and of the WebSocket, as the AsyncAPI document has them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from marketprism_application.contracts.kinds import KINDS
from marketprism_services.api.asyncapi import api_document
from tests.support.reference.markdown import code
from tests.support.reference.schemas import Schema, fields_table, followed, named_in
from tests.support.reference.tables import meaning_of
from tests.support.reference.texts import shown


def messages_page() -> str:
    """The page."""
    document = json.loads(msgspec.json.encode(api_document("0")))
    channels = document["channels"]
    subjects = {name: each for name, each in channels.items() if each["servers"][0]["$ref"].endswith("nats")}
    system = {name: each for name, each in channels.items() if name not in subjects and name != "stream"}
    return (
        "\n\n".join(
            [
                "# Live messages",
                shown(document["info"]["description"]),
                "`GET /api/v1/asyncapi.json` is the AsyncAPI 3.0 document of the same. How a client follows the WebSocket is in "
                "[live-stream.md](../live-stream.md), subjects and streams are in [subjects.md](../subjects.md), what the fields of records mean is "
                "in [tables.md](../tables.md).",
                "This page is made of the code by `make docs`.",
                "## Subjects of NATS",
                "Each message is one record, a MessagePack map; `v` is its version. Fields without a value are not there.",
                *(part for name, channel in subjects.items() for part in _subject(name, channel, document)),
                *_socket(channels["stream"], document),
                "## System channels",
                *(part for channel in system.values() for part in _system(channel)),
            ]
        )
        + "\n"
    )


def _subject(name: str, channel: Schema, document: Schema) -> Iterator[str]:
    yield f"### {name}"
    yield f"Subject {code(channel['address'])}, stream {code(channel['x-stream'])}."
    if channel["parameters"]:
        yield "\n".join(f"- {code(each)}: {shown(of['description'])}" for each, of in channel["parameters"].items())
    kind = KINDS[name]
    meanings = {field: meaning_of(kind, field) for field in kind.fields}
    yield fields_table(document["components"]["schemas"][name], document, meanings)


def _socket(channel: Schema, document: Schema) -> Iterator[str]:
    yield "## The WebSocket"
    protocols = channel["bindings"]["ws"]["headers"]["properties"]["Sec-WebSocket-Protocol"]["enum"]
    yield f"Path {code(channel['address'])}, subprotocols {' and '.join(map(code, protocols))}."
    yield shown(channel["description"])
    used: list[str] = []
    for title, operation in (("What a client sends", "receive_requests"), ("What it gets", "send_answers")):
        yield f"### {title}"
        for reference in document["operations"][operation]["messages"]:
            message = followed(followed(reference, document), document)
            yield f"#### {message['name'].removeprefix('stream.')}"
            yield shown(message["summary"])
            payload = followed(message["payload"], document)
            yield fields_table(payload, document)
            used += [
                each for each in named_in(payload.get("properties", {})) if "/stream." in each and each not in used
            ]
    if used:
        yield "### Objects in messages"
    for reference in used:
        schema = followed({"$ref": reference}, document)
        yield f"#### {reference.rpartition('stream.')[2]}"
        yield shown(schema.get("description", ""))
        yield fields_table(schema, document)


def _system(channel: Schema) -> Iterator[str]:
    yield f"### {channel['address']}"
    yield f"{shown(channel['title'])}\n\n{shown(channel['description'])}"


__all__ = ["messages_page"]
