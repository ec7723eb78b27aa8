"""`docs/reference/http-api.md` and `docs/reference/http/`: every request, as the OpenAPI document has it, a page a group."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from types import MethodType
from typing import Any

import msgspec
from nats.aio.client import Client

from marketprism_sdk.messaging import ServiceInterface
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service
from marketprism_sdk.service._offering import Offering
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.openapi import api_document
from marketprism_services.api.published.api import operation_of
from marketprism_services.api.published.route_table import RouteTable
from marketprism_services.api.service import ApiService
from marketprism_services.settings.services import SERVICES
from tests.support.reference.markdown import code, table
from tests.support.reference.schemas import (
    Schema,
    default_text,
    fields_table,
    followed,
    meaning_text,
    named_in,
    type_text,
)
from tests.support.reference.texts import shown

_MADE = "This page is made of the code by `make docs`."
_METHODS = ("get", "post", "put", "patch", "delete")
_ENVELOPE = ("Envelope", "FailureEnvelope", "ErrorBody")


def endpoints() -> list[Endpoint]:
    """What the gateway itself serves; nothing is connected."""
    return ApiService(NatsConnection(Client(), "nats://127.0.0.1:4222"), ("1m", "1d")).endpoints()


def interfaces() -> Iterator[ServiceInterface]:
    """What each service publishes by `@http`, found at the classes of its package."""
    for row in SERVICES:
        package = row.wiring.rpartition(".")[0]
        classes = list(_classes_of(package))
        requests = [
            (MethodType(method, object()), method.__http__)
            for each in classes
            for method in vars(each).values()
            if hasattr(method, "__http__")
        ]
        plural = next((each.http_name for each in classes if issubclass(each, Service) and each.http_name), None)
        yield Offering(row.name, "0", {}, requests, http_name=plural).interface


def _classes_of(package: str) -> Iterator[Any]:
    found = importlib.import_module(package)
    for each in pkgutil.walk_packages(found.__path__, f"{package}."):
        module = importlib.import_module(each.name)
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value


def _document() -> dict[str, Any]:
    served = endpoints()
    reserved = frozenset(each.path.removeprefix("/api/v1/").partition("/")[0] for each in served)
    routes = RouteTable(interfaces(), reserved)
    assert routes.not_served == []
    others = [operation_of(each) for each in routes.requests()]
    found: dict[str, Any] = json.loads(msgspec.json.encode(api_document(served, "0", others)))
    return found


def http_pages() -> dict[str, str]:
    """Every page by its name from `docs`."""
    document = _document()
    groups: dict[str, list[tuple[str, str, Schema]]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                groups.setdefault(methods[method]["tags"][0], []).append((method.upper(), path, methods[method]))
    about = {each["name"]: each["description"] for each in document["tags"]}
    pages = {"reference/http-api.md": _index(document, groups, about)}
    for name, requests in groups.items():
        parts = [f"# {name.capitalize()} (HTTP)", shown(about.get(name, "")), _MADE]
        parts += [part for method, path, each in requests for part in _request(method, path, each, document)]
        parts += list(_objects([each for *_, each in requests], document))
        pages[f"reference/http/{name}.md"] = "\n\n".join(part for part in parts if part) + "\n"
    return pages


def _index(document: Schema, groups: Mapping[str, list[tuple[str, str, Schema]]], about: Mapping[str, str]) -> str:
    parts = [
        "# HTTP API",
        shown(document["info"]["description"]),
        "`GET /api/v1/openapi.json` is the OpenAPI 3.1 document of the same, `/api/docs` a page that tries requests. How to read data is in "
        "[read-api.md](../read-api.md), who may come in in [access.md](../access.md), codes of failures are in [errors.md](errors.md). "
        "A request without a scope may be asked by anybody. What a service publishes is served while the service runs.",
        _MADE,
    ]
    for name, requests in groups.items():
        rows = [
            (
                f"[`{method} {path}`](http/{name}.md#{_anchor(method, path)})",
                code(each.get("x-scope", "")),
                shown(each.get("summary", "")),
            )
            for method, path, each in requests
        ]
        parts += [f"## {name}", shown(about.get(name, "")), table(("Request", "Scope", "What it does"), rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _anchor(method: str, path: str) -> str:
    return re.sub(r"[^\w\- ]", "", f"{method} {path}".lower()).replace(" ", "-")


def _request(method: str, path: str, each: Schema, document: Schema) -> Iterator[str]:
    yield f"## `{method} {path}`"
    yield shown(each.get("summary", ""))
    yield shown(each.get("description", ""))
    if each.get("deprecated"):
        sunset = f" and is gone after {each['x-sunset']}" if "x-sunset" in each else ""
        yield f"**Deprecated**{sunset}."
    if "x-scope" in each:
        yield f"Needs the scope {code(each['x-scope'])}."
    rows = [
        (
            code(one["name"]),
            one["in"],
            type_text({"type": "string", **one["schema"]}),
            "required" if one.get("required") else default_text(one["schema"]),
            " ".join(filter(None, (shown(one.get("description", "")), meaning_text(one["schema"])))),
        )
        for one in (followed(parameter, document) for parameter in each.get("parameters", ()))
    ]
    if rows:
        yield table(("Parameter", "In", "Type", "Default", "Meaning"), rows)
    for form, content in each.get("requestBody", {}).get("content", {}).items():
        yield f"Body, {code(form)}: {type_text(content['schema'])}."
        yield fields_table(content["schema"], document)
    yield from _answers(each, document)


def _answers(each: Schema, document: Schema) -> Iterator[str]:
    statuses = []
    for status, response in each["responses"].items():
        answer = followed(response, document)
        if status.startswith("2"):
            forms = ", ".join(map(code, answer.get("content", {})))
            data = _data(answer.get("content", {}).get("application/json", {}).get("schema", {}))
            yield f"Answers {status}{f' as {forms}' if forms else ''}{f'; `data` is: {type_text(data)}' if data else ''}."
            yield fields_table(data, document) if data and "$ref" not in data else ""
        else:
            statuses.append(status)
    yield f"Else {', '.join(statuses)}."


def _data(schema: Schema) -> Schema:
    """The schema of what the envelope holds."""
    for each in schema.get("allOf", ()):
        if "data" in each.get("properties", {}):
            found: Schema = each["properties"]["data"]
            return found
    return {}


def _objects(requests: list[Schema], document: Schema) -> Iterator[str]:
    """What the requests of a page name, and what that names."""
    found: list[str] = []
    waiting = [each for request in requests for each in named_in([_shown(request)])]
    while waiting:
        reference = waiting.pop(0)
        name = reference.rpartition("/")[2]
        if reference.startswith("#/components/schemas/") and name not in (*found, *_ENVELOPE):
            found.append(name)
            waiting += list(named_in(followed({"$ref": reference}, document)))
    if found:
        yield "## Objects"
    for name in sorted(found):
        schema = document["components"]["schemas"][name]
        yield f"### {name}"
        yield shown(schema.get("description", ""))
        yield fields_table(schema, document) or f"It is: {type_text(schema)}."


def _shown(request: Schema) -> list[object]:
    """What a page shows of a request."""
    bodies = [each["schema"] for each in request.get("requestBody", {}).get("content", {}).values()]
    answers = [
        _data(response.get("content", {}).get("application/json", {}).get("schema", {}))
        for status, response in request["responses"].items()
        if status.startswith("2")
    ]
    return [*bodies, *answers, *(each.get("schema", {}) for each in request.get("parameters", ()))]


__all__ = ["http_pages"]
