"""JSON schemas of records: as rows of an answer have them, and as their public messages do."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_origin

import pyarrow as pa

from marketprism_adapters.http.operation import Schema
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.values import BookLevel

REF = "#/components/schemas/{model}"
_DECIMAL: Schema = {"type": "string", "format": "decimal"}
_SHAPES = (
    "Whole where the request does not choose of its columns (`fields`); with `levels` there are columns of levels in "
    "the place of bids and asks; with `times=iso` or a `tz` times are texts of ISO 8601."
)


def rows_of(schema: pa.Schema | DataKind | None) -> Schema:
    """Schema of a list of rows: of a kind by its name, of a table's schema column by column, of any for None."""
    if schema is None:
        return {"type": "array", "items": {"type": "object"}}
    if isinstance(schema, DataKind):
        return {"type": "array", "items": {"$ref": REF.format(model=schema.model.__name__)}}
    return {"type": "array", "items": _columns({field.name: field.type for field in schema}, {})}


def record_schema(kind: DataKind) -> Schema:
    """A stored record of a kind, as a row of JSON has it."""
    found = _columns({field.name: field.type for field in schema_of(kind.name)}, _optional(kind))
    return {**found, "description": f"A stored {kind.name}. {_SHAPES}"}


def message_schema(kind: DataKind) -> Schema:
    """A public message of a kind: what has no value is not there, except that what has to be there always is."""
    defaults = kind.model._field_defaults
    properties: Schema = {"v": {"const": kind.version, "description": "version of the message"}}
    for name, hint in kind.types.items():
        properties[name.rstrip("_")] = _of_hint(hint)
    return {
        "type": "object",
        "title": kind.model.__name__,
        "properties": properties,
        "required": ["v", *(name.rstrip("_") for name in kind.fields if name not in defaults)],
    }


def _optional(kind: DataKind) -> dict[str, bool]:
    return {name: NoneType in get_args(hint) for name, hint in kind.types.items()}


def _columns(types: Mapping[str, pa.DataType], optional: Mapping[str, bool]) -> Schema:
    properties = {}
    for name, of in types.items():
        properties[name] = _json_type(of)
        if name.startswith("ts_"):
            properties[name]["type"] = ["integer", "string"]
        if optional.get(name, not optional):
            kinds = properties[name]["type"]
            properties[name]["type"] = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
    return {"type": "object", "properties": properties}


def _json_type(of: pa.DataType) -> Schema:
    if pa.types.is_decimal(of):
        return dict(_DECIMAL)
    if pa.types.is_boolean(of):
        return {"type": "boolean"}
    if pa.types.is_integer(of):
        return {"type": "integer", "format": "int64"}
    if pa.types.is_floating(of):
        return {"type": "number"}
    if isinstance(of, pa.ListType):
        return {"type": "array", "items": _json_type(of.value_type)}
    if isinstance(of, pa.StructType):
        return _columns({of.field(n).name: of.field(n).type for n in range(of.num_fields)}, {"": False})
    return {"type": "string"}


_SIMPLE: dict[object, Schema] = {
    Decimal: _DECIMAL,
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    str: {"type": "string"},
    float: {"type": "number"},
    NoneType: {"type": "null"},
}


def _of_hint(hint: Any) -> Schema:
    """Schema of a field's type, as MessagePack and JSON carry it."""
    if hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    if hint is BookLevel:
        return {
            "type": "array",
            "prefixItems": [dict(_DECIMAL), dict(_DECIMAL)],
            "minItems": 2,
            "description": "price, quantity",
        }
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _of_hint(arguments[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _of_hint(arguments[1])}
    return {"anyOf": [_of_hint(each) for each in arguments]}
