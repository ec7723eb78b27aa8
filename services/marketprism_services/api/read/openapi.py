"""What the read API says of itself: `GET /api/v1/openapi.json`, made of its routes, questions and kinds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from marketprism_adapters.http.openapi import Operation, document, rows_of
from marketprism_application.contracts.book_view import BookView
from marketprism_application.contracts.kinds import BAR, KINDS, PATHS, TICK
from marketprism_application.contracts.questions import QUESTIONS, Records
from marketprism_services.api.read.rendering import CONTENT_TYPES
from marketprism_services.api.read.requests import (
    LatestBarParameters,
    LatestTickParameters,
    LiveBookParameters,
    records_parameters,
    stream_parameters,
)
from marketprism_services.api.read.routes import ROUTES
from marketprism_services.api.read.stream_forms import CONTENT_TYPES as STREAM_TYPES
from marketprism_services.api.read.streaming import STREAMED

_FILES = tuple(CONTENT_TYPES.values())
_PREFIX = "/api/v1"


def operations() -> Iterator[Operation]:
    """Every request that the read API answers."""
    for path, summary, parameters, rows in (
        (
            "ticks/{symbol}/latest",
            "The newest tick, which may be in no table yet.",
            LatestTickParameters,
            rows_of(TICK),
        ),
        ("bars/{symbol}/latest", "The newest closed bar at each venue.", LatestBarParameters, rows_of(BAR)),
    ):
        yield Operation(f"{_PREFIX}/{path}", summary, (parameters,), rows, _FILES)
    book = {"$ref": f"#/components/schemas/{BookView.__name__}"}
    live = "The book as it stands, from the gateway that follows it."
    yield Operation(f"{_PREFIX}/orderbook/{{venue}}/{{symbol}}", live, (LiveBookParameters,), book)
    for route in ROUTES:
        models = (route.parameters,)
        rows = rows_of(route.rows() if callable(route.rows) else route.rows)
        yield Operation(route.path, route.summary, models, rows, _FILES, route.asks.__name__)
    for name, kind in PATHS.items():
        models = (records_parameters(name),)
        path, summary = f"{_PREFIX}/{name}/{{symbols}}", f"Stored records of the kind {kind.name}, oldest first."
        yield Operation(path, summary, models, rows_of(kind), _FILES, Records.__name__)
    for name in STREAMED:
        path, summary = f"{_PREFIX}/{name}/{{symbol}}/stream", f"{name.capitalize()} as one document of any length."
        yield Operation(path, summary, (stream_parameters(name),), None, tuple(STREAM_TYPES.values()), Records.__name__)
    yield Operation(f"{_PREFIX}/openapi.json", "This document.", content_types=("application/json",))


@cache
def read_api_document(version: str) -> dict[str, Any]:
    """The document of this version of the service."""
    types: list[type[msgspec.Struct]] = [*QUESTIONS.values(), BookView]
    return document(
        operations(), title="MarketPrism read API", version=version, questions=types, records=KINDS.values()
    )
