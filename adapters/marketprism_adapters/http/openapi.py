"""An OpenAPI 3.1 document, made of what the routes are made of: parameter models, the envelope, questions, schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from marketprism_adapters.http.envelope import Envelope, ErrorBody, FailureEnvelope
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.queries.arrow_tables import schema_of

Schema = dict[str, Any]
_REF = "#/components/schemas/{model}"
_IN_PATH = re.compile(r"{([a-z_]+)}")
_FAILURES = {
    "400": "A parameter is wrong: the message names it, what was expected and what it was.",
    "404": "Nothing is stored of the instrument.",
    "429": "The caller asks too much; Retry-After says in how many seconds to ask again.",
    "503": "Whoever would answer is away: ask again.",
}


class Operation(NamedTuple):
    """One `GET`.

    Attributes:
        path: with `{name}` for what varies.
        parameters: models whose fields are the parameters, in the path or in the query.
        data: schema of the envelope's `data`; None for an answer that is not in the envelope.
        content_types: of the other forms of the answer.
        question: name of the question's schema, which NATS callers send.
    """

    path: str
    summary: str
    parameters: tuple[type[BaseModel], ...] = ()
    data: Schema | None = None
    content_types: tuple[str, ...] = ()
    question: str = ""


def document(
    operations: Iterable[Operation],
    *,
    title: str,
    version: str,
    questions: Iterable[type[msgspec.Struct]] = (),
    records: Iterable[DataKind] = (),
) -> Schema:
    """The document, as JSON has it: a path for each operation, a schema for each question and kind of record."""
    _, envelopes = models_json_schema(
        [(model, "serialization") for model in (Envelope, ErrorBody, FailureEnvelope)], ref_template=_REF
    )
    # Questions carry what serves them in NATS' form only (sections, say), so they come with the types they use.
    _, asked = msgspec.json.schema_components(tuple(questions), ref_template="#/components/schemas/{name}")
    failures = {
        status: {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model="FailureEnvelope")}}},
        }
        for status, text in _FAILURES.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": {each.path: {"get": _get(each)} for each in operations},
        "components": {
            "schemas": {
                **envelopes["$defs"],
                **asked,
                **{kind.model.__name__: record_schema(kind) for kind in records},
            },
            "responses": failures,
        },
    }


def _get(operation: Operation) -> Schema:
    content: dict[str, Schema] = {}
    if operation.data is not None:
        with_data = {"type": "object", "properties": {"data": operation.data}}
        content["application/json"] = {"schema": {"allOf": [{"$ref": _REF.format(model="Envelope")}, with_data]}}
    content |= {name: {} for name in operation.content_types}
    found: Schema = {
        "operationId": re.sub(r"[^a-z0-9]+", "_", operation.path.removeprefix("/api/v1/")).strip("_"),
        "summary": operation.summary,
        "parameters": [each for model in operation.parameters for each in _parameters(operation.path, model)],
        "responses": {
            "200": {"description": "The answer.", "content": content},
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _FAILURES},
        },
    }
    if operation.question:
        found["x-question"] = {"$ref": _REF.format(model=operation.question)}
    return found


def _parameters(path: str, model: type[BaseModel]) -> list[Schema]:
    in_path = set(_IN_PATH.findall(path))
    found = []
    for name, given in model.model_json_schema(by_alias=True)["properties"].items():
        schema = {key: value for key, value in given.items() if key not in ("title", "description")}
        if schema.get("default", "") in (None, []):
            del schema["default"]  # what is not there is no value of its own
        where = "path" if name in in_path else "query"
        parameter: Schema = {"name": name, "in": where, "required": where == "path", "schema": schema}
        if "description" in given:
            parameter["description"] = given["description"]
        found.append(parameter)
    return found


def rows_of(schema: pa.Schema | DataKind | None) -> Schema:
    """Schema of a list of rows: of a kind by its name, of a table's schema column by column, of any for None."""
    if schema is None:
        return {"type": "array", "items": {"type": "object"}}
    if isinstance(schema, DataKind):
        return {"type": "array", "items": {"$ref": _REF.format(model=schema.model.__name__)}}
    return {"type": "array", "items": _columns({field.name: field.type for field in schema}, {})}


def record_schema(kind: DataKind) -> Schema:
    """A stored record of a kind, as a row of JSON has it."""
    optional = {name: type(None) in getattr(hint, "__args__", ()) for name, hint in kind.types.items()}
    found = _columns({field.name: field.type for field in schema_of(kind.name)}, optional)
    return {**found, "required": list(kind.fields), "description": f"A stored {kind.name}."}


def _columns(types: Mapping[str, pa.DataType], optional: Mapping[str, bool]) -> Schema:
    properties = {}
    for name, of in types.items():
        properties[name] = _json_type(of)
        if optional.get(name, not optional):
            properties[name]["type"] = [properties[name]["type"], "null"]
    return {"type": "object", "properties": properties}


def _json_type(of: pa.DataType) -> Schema:
    if pa.types.is_decimal(of):
        return {"type": "string", "format": "decimal"}
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
