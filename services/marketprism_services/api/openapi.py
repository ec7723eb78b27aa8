"""The OpenAPI document of everything that is served: what each request is, joined with what its endpoint needs.

Whoever serves requests names them in a function of its own, and that function in `_DESCRIBED`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from marketprism_adapters.http.openapi import document
from marketprism_adapters.http.operation import Operation, Schema
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import QUESTIONS
from marketprism_services.api import client_operations, document_operations
from marketprism_services.api.access import operations as access_operations
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.older import api as older_paths
from marketprism_services.api.operate import operations as operate_operations
from marketprism_services.api.operate import rule_operations
from marketprism_services.api.read import openapi as read_openapi
from marketprism_services.api.stream import operations as stream_operations
from marketprism_services.api.versions import lifecycle_of

_DESCRIBED: tuple[Callable[[], Iterable[Operation]], ...] = (
    read_openapi.operations,
    client_operations.operations,
    stream_operations.operations,
    access_operations.operations,
    operate_operations.operations,
    rule_operations.operations,
    document_operations.operations,
    older_paths.operations,
)
_TAGS: Mapping[str, str] = {
    **read_openapi.TAGS,
    **client_operations.TAGS,
    **stream_operations.TAGS,
    **access_operations.TAGS,
    **operate_operations.TAGS,
    **rule_operations.TAGS,
    **document_operations.TAGS,
    **older_paths.TAGS,
}
_CHOICE = re.compile(r"{([a-z_]+):([^}]+)}")
_TEXT = (
    "Market data over HTTP. Answers are `{success, data, message, timestamp, request_id}`, failures `{success, error: "
    "{code, message, details}, …}`. Prices and quantities are decimal strings, times nanoseconds since 1970 in UTC. "
    "What is live comes over `/ws/v1/stream` and over NATS: `/api/v1/asyncapi.json` describes both."
)


def served_paths(endpoint: Endpoint) -> list[str]:
    """Paths as a document has them: of `{kind:a|b}` one for each."""
    found = _CHOICE.search(endpoint.path)
    if found is None:
        return [endpoint.path]
    return [endpoint.path.replace(found[0], name) for name in found[2].split("|")]


def operations(endpoints: Iterable[Endpoint]) -> Iterator[Operation]:
    """What is described of what is served, each with the scope and the end of its endpoint."""
    served = {(each.method, path): each for each in endpoints for path in served_paths(each)}
    for describe in _DESCRIBED:
        for operation in describe():
            endpoint = served.get((operation.method, operation.path))
            if endpoint is not None:
                deprecated, sunset, _ = lifecycle_of(endpoint)
                yield operation._replace(scope=endpoint.scope, deprecated=deprecated, sunset=sunset)


def described() -> Iterator[Operation]:
    """Every request that is described, served or not."""
    for describe in _DESCRIBED:
        yield from describe()


def api_document(endpoints: Iterable[Endpoint], version: str, published: Iterable[Operation] = ()) -> Schema:
    """The document of this version of the service, with what others have published at its door."""
    others = list(published)
    types: list[type[msgspec.Struct]] = list(QUESTIONS.values())
    return document(
        [*operations(endpoints), *others],
        title="MarketPrism API",
        version=version,
        description=_TEXT,
        tags={**_TAGS, **{each.tag: f"Requests of the service {each.tag}." for each in others}},
        questions=types,
        records=KINDS.values(),
    )
