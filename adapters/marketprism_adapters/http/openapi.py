"""An OpenAPI 3.1 document, made of what the routes are made of: parameter models, the envelope, questions, schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import get_origin

import msgspec
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from marketprism_adapters.http.envelope import Envelope, ErrorBody, FailureEnvelope
from marketprism_adapters.http.operation import ALWAYS, Described, Operation, Schema
from marketprism_adapters.http.record_schemas import REF, record_schema
from marketprism_application.contracts.failures import CONSEQUENCES, consequence_of, http_code
from marketprism_application.contracts.kinds import DataKind

NEEDED = "x-needed"  # in a field's extra schema: the model lets it be none, and the request is refused without it
_IN_PATH = re.compile(r"{([a-z_]+)}")
# What the HTTP server refuses by itself, before a request is anybody's.
SERVER_CODES: Mapping[int, tuple[str, ...]] = {
    400: ("BAD_REQUEST",),
    403: ("FORBIDDEN_HOST",),
    404: ("NOT_FOUND",),
    405: ("METHOD_NOT_ALLOWED",),
    413: ("REQUEST_ENTITY_TOO_LARGE",),
    500: ("INTERNAL",),
}
_MEANINGS: Mapping[int, str] = {
    400: "A parameter is wrong: the message names it, what was expected and what it was.",
    401: "Nobody says who asks, or what was shown is not, or no longer, good.",
    403: "Whoever asks may not do this, or not see this.",
    404: "There is none: nothing is stored of the instrument, or nothing has this name.",
    405: "The path has other methods; `Allow` names them.",
    409: "It cannot be done as things stand.",
    412: "Somebody else has changed it meanwhile.",
    413: "More bytes than one message may have: ask for less at a time.",
    415: "The body is of another type than was expected.",
    421: "The server is not asked by this name.",
    429: "The caller asks too much; Retry-After says in how many seconds to ask again.",
    500: "A fault of the service, whose log says why.",
    422: "The service refuses to do it, or could not: the message has its reason.",
    503: "Whoever would answer is away: ask again, after as many seconds as Retry-After says.",
}
_HEADERS: Mapping[str, tuple[str, str]] = {
    "X-Request-Id": ("the request's own X-Request-Id, else one of ours: it stands in the log", "string"),
    "ETag": ("of the answer's data: with If-None-Match it is not sent again (304)", "string"),
    "Cache-Control": ("how long the answer may be taken as it is", "string"),
    "Link": ('rel="next": the page that follows; rel="successor-version": what stands in its place', "string"),
    "X-Next-After": ("`after` of the page that follows", "string"),
    "X-Truncated": ("true: there are more rows than these", "string"),
    "X-Cold-Units": ("over an archive: archived partitions that were read, 0 for none", "integer"),
    "X-Cold-Until": ("over an archive: newest time of any archived row of the kind, nanoseconds UTC", "integer"),
    "Location": ("where to look for what becomes of it", "string"),
    "Retry-After": ("seconds until it is worth asking again", "integer"),
    "WWW-Authenticate": ("how to say who asks", "string"),
    "Allow": ("methods that the path has", "string"),
    "Deprecation": ("since when it should not be used any more, as @ and seconds since 1970 (RFC 9745)", "string"),
    "Sunset": ("when it will be gone (RFC 8594)", "string"),
}
_OF_FAILURE: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_SECURITY: Schema = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key of a program."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token that lives for minutes."},
}


def document(
    operations: Iterable[Operation],
    *,
    title: str,
    version: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    questions: Iterable[type[msgspec.Struct]] = (),
    records: Iterable[DataKind] = (),
) -> Schema:
    """The document, as JSON has it: an entry for each operation, a schema for each question and kind of record.

    `tags` are the groups in which operations are listed, and what each has.
    """
    _, envelopes = models_json_schema(
        [(model, "validation") for model in (Envelope, ErrorBody, FailureEnvelope)], ref_template=REF
    )
    # Questions carry what serves them in NATS' form only (sections, say), so they come with the types they use.
    _, asked = msgspec.json.schema_components(tuple(questions), ref_template="#/components/schemas/{name}")
    schemas: Schema = {
        **envelopes["$defs"],
        **asked,
        **{kind.model.__name__: record_schema(kind) for kind in records},
    }
    paths: Schema = {}
    names: dict[str, int] = {}
    for each in operations:
        found = paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
        names[each.id] = count = names.get(each.id, 0) + 1
        if count > 1:  # `/jobs/{id}` and `/jobs/id`
            found["operationId"] = f"{each.id}__{count}"
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, **({"description": description} if description else {})},
        "servers": [{"url": "/", "description": "where this document comes from"}],
        "tags": [{"name": name, "description": text} for name, text in (tags or {}).items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {str(status): _failure(status) for status in _MEANINGS},
            "headers": {name: {"description": text, "schema": {"type": of}} for name, (text, of) in _HEADERS.items()},
            "securitySchemes": _SECURITY,
        },
    }


def codes_of(status: int) -> list[str]:
    """What `error.code` may be in an answer of this status."""
    own = [http_code(code) for code, consequence in CONSEQUENCES.items() if consequence.status == status]
    return list(dict.fromkeys([*own, *SERVER_CODES.get(status, ())]))


def _failure(status: int) -> Schema:
    codes: Schema = {"properties": {"error": {"properties": {"code": {"enum": codes_of(status)}}}}}
    return {
        "description": _MEANINGS[status],
        "headers": _headers("X-Request-Id", *_OF_FAILURE.get(status, ())),
        "content": {"application/json": {"schema": {"allOf": [{"$ref": REF.format(model="FailureEnvelope")}, codes]}}},
    }


def _operation(operation: Operation, schemas: Schema) -> Schema:
    schemas.update(operation.schemas)
    found: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [
            *(each for model in operation.parameters for each in _parameters(operation, model)),
            *operation.listed,
        ],
        "responses": _responses(operation, schemas),
        "security": [],
    }
    if operation.description:
        found["description"] = operation.description
    if operation.scope is not None:
        found["security"] = [{name: [operation.scope.value]} for name in _SECURITY]
        found["x-scope"] = operation.scope.value
    if operation.body is not None:
        schema = _schema_of(operation.body, schemas)
        found["requestBody"] = {"required": True, "content": {operation.body_type: {"schema": schema}}}
    if operation.question:
        found["x-question"] = {"$ref": REF.format(model=operation.question)}
    if operation.deprecated is not None:
        found["deprecated"] = True
    if operation.sunset is not None:
        found["x-sunset"] = operation.sunset.isoformat()
    return found


def _responses(operation: Operation, schemas: Schema) -> Schema:
    """Of each status that can come: the answer, the answer that is not sent again, and failures."""
    content: Schema = {}
    if operation.data is not None:
        with_data = {"type": "object", "properties": {"data": _schema_of(operation.data, schemas)}}
        content["application/json"] = {"schema": {"allOf": [{"$ref": REF.format(model="Envelope")}, with_data]}}
    content |= {name.partition(";")[0]: {} for name in operation.content_types if name not in content}
    names = ["X-Request-Id"]
    names += ["ETag", "Cache-Control"] if operation.tagged else []
    names += ["Link", "X-Next-After", "X-Truncated"] if operation.paged else []
    names += ["X-Cold-Units", "X-Cold-Until"] if operation.question else []
    names += ["Deprecation"] if operation.deprecated is not None else []
    names += ["Sunset"] if operation.sunset is not None else []
    answer: Schema = {"description": "The answer.", "headers": _headers(*names)}
    found: Schema = {str(operation.status): answer | ({"content": content} if content else {})}
    if operation.later:
        more = _headers(*names, "Location")
        found["202"] = answer | {"description": "It is not known yet.", "headers": more, "content": content}
    if operation.tagged:
        found["304"] = {
            "description": "The caller has the answer: its ETag is that of If-None-Match.",
            "headers": _headers("X-Request-Id", "ETag", "Cache-Control"),
        }
    statuses = {consequence_of(code).status for code in (*ALWAYS, *operation.codes)} | {500}
    statuses |= {404} if _IN_PATH.search(operation.path) else set()
    statuses |= {413} if operation.body is not None else set()
    return found | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _schema_of(described: Described, schemas: Schema) -> Schema:
    """The schema, or that of the type; the types that it names become schemas of the document."""
    if isinstance(described, dict):
        return described
    try:
        (found,), used = msgspec.json.schema_components(
            (described,), schema_hook=_anything, ref_template="#/components/schemas/{name}"
        )
    except TypeError:  # not a type of msgspec's
        found = TypeAdapter(described).json_schema(ref_template=REF)
        used = found.pop("$defs", {})
        if get_origin(described) is None and issubclass(described, BaseModel):
            used[described.__name__], found = found, {"$ref": REF.format(model=described.__name__)}
    schemas.update(used)
    return dict(found)


def _anything(kind: type[object]) -> Schema:
    """The schema of what may be any value. Raises NotImplementedError for types that have none."""
    if kind is object:
        return {"description": "any value"}
    raise NotImplementedError


def _parameters(operation: Operation, model: type[BaseModel]) -> list[Schema]:
    in_path = set(_IN_PATH.findall(operation.path))
    found = []
    for name, given in model.model_json_schema(by_alias=True)["properties"].items():
        where = "path" if name in in_path else "query"
        needed = where == "path" or given.get(NEEDED, False)
        parameter: Schema = {"name": name, "in": where, "required": needed, "schema": _of_parameter(given)}
        if "description" in given:
            parameter["description"] = given["description"]
        if name in operation.examples:
            parameter["example"] = operation.examples[name]
        found.append(parameter)
    return sorted(found, key=lambda each: not each["required"])


def _of_parameter(given: Schema) -> Schema:
    """What a parameter may be where it is there: none is no value of its own."""
    schema = {key: value for key, value in given.items() if key not in ("title", "description", NEEDED)}
    if schema.get("default", "") in (None, []):
        del schema["default"]
    branches = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(branches) == 1:
        schema = {key: value for key, value in schema.items() if key != "anyOf"} | branches[0]
    return schema
