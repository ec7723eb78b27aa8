"""JSON Schemas of published requests as the OpenAPI document has them: their definitions under the service's name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from marketprism_adapters.http.operation import Schema
from marketprism_sdk.messaging import HttpInterface
from marketprism_services.api.published.route_table import Published

_DEFS, _COMPONENTS = "#/$defs/", "#/components/schemas/"
_WORD = re.compile(r"[^A-Za-z0-9_.-]")
_MOST_DEPTH = 32


def definitions_of(route: Published) -> dict[str, Schema]:
    """Schemas that those of a request name, by their names in the document."""
    found: dict[str, Schema] = {}
    for schema in (route.declared.values, route.declared.answer):
        defined = schema.get("$defs")
        if isinstance(defined, dict):
            for name, each in defined.items():
                moved = _moved(each, route.service, 0)
                found[_name(route.service, str(name))] = moved if isinstance(moved, dict) else {}
    return found


def answer_schema(route: Published) -> Schema:
    """Of the answer's data."""
    return _without_definitions(route.declared.answer, route.service)


def parameters_of(route: Published) -> tuple[Schema, ...]:
    """Of the path, and where the request has no body of the query."""
    fields, properties = route.fields, _properties(route.declared)
    needed = _needed(route.declared)
    listed: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": _moved(properties.get(name, {}), route.service, 0)}
        for name in fields
    ]
    if not has_body(route):
        listed += [
            {
                "name": name,
                "in": "query",
                "required": name in needed,
                "schema": _moved(schema, route.service, 0),
            }
            for name, schema in properties.items()
            if name not in fields
        ]
    return tuple(listed)


def has_body(route: Published) -> bool:
    """Whether its values come in a body."""
    return route.declared.method in ("POST", "PUT", "PATCH")


def body_of(route: Published) -> Schema | None:
    """Of the body: an object of the values that are not in the path."""
    if not has_body(route):
        return None
    fields = route.fields
    properties = {
        name: _moved(schema, route.service, 0)
        for name, schema in _properties(route.declared).items()
        if name not in fields
    }
    needed = [name for name in _needed(route.declared) if name not in fields]
    return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}


def _top(declared: HttpInterface) -> Mapping[str, object]:
    """The schema of all values itself, where it is only named."""
    schema: object = declared.values
    reference = declared.values.get("$ref")
    defined = declared.values.get("$defs")
    if isinstance(reference, str) and isinstance(defined, dict):
        schema = defined.get(reference.removeprefix(_DEFS), {})
    return schema if isinstance(schema, dict) else {}


def _properties(declared: HttpInterface) -> dict[str, object]:
    found = _top(declared).get("properties")
    return {str(name): each for name, each in found.items()} if isinstance(found, dict) else {}


def _needed(declared: HttpInterface) -> list[str]:
    found = _top(declared).get("required")
    return [str(name) for name in found] if isinstance(found, list) else []


def _without_definitions(schema: Mapping[str, object], service: str) -> Schema:
    moved = _moved({name: each for name, each in schema.items() if name != "$defs"}, service, 0)
    return moved if isinstance(moved, dict) else {}


def _moved(value: object, service: str, depth: int) -> object:
    """The same with references to where the definitions are in the document; one to anywhere else is anything."""
    if depth > _MOST_DEPTH:
        return {}
    if isinstance(value, dict):
        reference = value.get("$ref")
        if reference is not None:
            if not isinstance(reference, str) or not reference.startswith(_DEFS):
                return {}
            return {"$ref": f"{_COMPONENTS}{_name(service, reference.removeprefix(_DEFS))}"}
        return {str(name): _moved(each, service, depth + 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_moved(each, service, depth + 1) for each in value]
    return value


def _name(service: str, name: str) -> str:
    return _WORD.sub("_", f"{service}.{name}")[:120]
