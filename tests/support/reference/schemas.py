"""JSON Schemas as people read them: one expression for a type, one table for an object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tests.support.reference.markdown import code, table
from tests.support.reference.texts import shown

Schema = Mapping[str, Any]
FIELDS = ("Field", "Type", "Default", "Meaning")
_BOUNDS = (
    ("minimum", "{} or more"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
    ("maxLength", "at most {} characters"),
    ("maxItems", "at most {} of them"),
    ("pattern", "like `{}`"),
)


def followed(schema: Schema, document: Schema) -> Schema:
    """What a schema refers to, or itself."""
    while (reference := schema.get("$ref")) is not None:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/")]
        schema = found
    return schema


def type_text(schema: Schema) -> str:
    """A type in a few words: `text`, `list of Bid`, `number or null`."""
    if "$ref" in schema:
        return code(str(schema["$ref"]).rpartition("/")[2].removeprefix("stream."))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(type_text(each) for each in schema[key]))
    if "allOf" in schema:
        return " and ".join(dict.fromkeys(type_text(each) for each in schema["allOf"]))
    if "enum" in schema:
        return " or ".join(code(str(each)) for each in schema["enum"])
    if "const" in schema:
        return code(str(schema["const"]))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(type_text({**schema, "type": each}) for each in kind)
    if kind == "array":
        inner = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return f"list of {type_text(inner)}" if isinstance(inner, Mapping) else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {type_text(schema['additionalProperties'])}"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false", "any": "any value"}
    return words.get(kind, str(kind))


def fields_table(schema: Schema, document: Schema, meanings: Mapping[str, str] = MappingProxyType({})) -> str:
    """The fields of an object, "" where it has none that are named; `meanings` are of those that say nothing."""
    return table(FIELDS, rows) if (rows := list(_rows(followed(schema, document), meanings))) else ""


def _rows(schema: Schema, meanings: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    needed = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        default = "required" if name in needed else default_text(each)
        yield code(name), type_text(each), default, meaning_text(each) or shown(meanings.get(name, ""))


def default_text(schema: Schema) -> str:
    """The default as code, "" for none."""
    value = schema.get("default")
    return "" if value in (None, "", [], {}) else code(json.dumps(value, ensure_ascii=False))


def meaning_text(schema: Schema) -> str:
    """What a field means, and its bounds."""
    bounds = [form.format(schema[name]) for name, form in _BOUNDS if name in schema]
    text = shown(str(schema.get("description", "")))
    return " ".join(part for part in (text, f"({', '.join(bounds)})" if bounds else "") if part)


def named_in(schema: object) -> Iterator[str]:
    """Every reference inside."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for each in schema.values():
            yield from named_in(each)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from named_in(each)
