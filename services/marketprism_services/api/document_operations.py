"""What the API says of the requests that are about itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marketprism_adapters.http.operation import Operation, Schema
from marketprism_services.api.read.parameters import Parameters

TAGS: Mapping[str, str] = {"about": "What this API has, in words for people and for programs."}
_LISTED: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "method": {"type": "string"},
            "path": {"type": "string"},
            "summary": {"type": "string"},
            "scope": {"type": ["string", "null"]},
        },
        "required": ["method", "path", "summary", "scope"],
    },
}
_VERSIONS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "state": {"enum": ["current", "deprecated"]},
            "path": {"type": "string"},
            "openapi": {"type": "string"},
            "deprecated": {"type": ["string", "null"], "format": "date"},
            "sunset": {"type": ["string", "null"], "format": "date"},
            "successor": {"type": ["string", "null"]},
        },
        "required": ["name", "state", "path"],
    },
}
_JSON = ("application/json",)


def operations() -> Iterator[Operation]:
    """The index, the versions, the documents and the page that shows them."""
    none = (Parameters,)
    yield Operation("/api", "Versions of this API, and how long each will be there.", none, _VERSIONS, tag="about")
    yield Operation("/api/v1", "Every request of this version.", none, _LISTED, tag="about", tagged=True)
    for path, summary, types in (
        ("/api/v1/openapi.json", "This document.", _JSON),
        ("/api/v1/asyncapi.json", "What is live, over NATS and WebSocket, as an AsyncAPI 3.0 document.", _JSON),
        ("/api/docs", "A page that lists every request and tries it.", ("text/html",)),
        ("/api/docs/docs.js", "The program of that page.", ("text/javascript",)),
        ("/api/docs/docs.css", "The style of that page.", ("text/css",)),
    ):
        yield Operation(path, summary, none, None, types, tag="about", tagged=True)
