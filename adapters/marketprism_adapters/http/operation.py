"""One request as its document describes it. Whoever serves a request says what it is here; nothing heavy is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel

from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.failures import Code

Schema: TypeAlias = dict[str, Any]
# Of JSON: a schema, or a type that has one: a pydantic model, a msgspec struct, or a list of either.
Described: TypeAlias = Schema | type[object]

ALWAYS = (
    Code.INVALID_PATH,
    Code.INVALID_PARAMETER,
    Code.UNAUTHENTICATED,
    Code.FORBIDDEN,
    Code.CONTENT_TYPE,
    Code.TOO_MANY_REQUESTS,
    Code.OVERLOADED,
)
READING = (Code.NOT_ENTITLED, Code.UNKNOWN_SYMBOL, Code.RESPONSE_TOO_LARGE, Code.UNAVAILABLE)
_WORDS = re.compile(r"[^a-z0-9]+")


class Operation(NamedTuple):
    """One method of one path.

    Attributes:
        path: with `{name}` for what varies.
        summary: one sentence.
        parameters: models whose fields are the parameters, in the path or in the query.
        data: of the envelope's `data`; None for an answer that is not in the envelope.
        content_types: of the other forms of the answer.
        question: name of the question's schema, which NATS callers send.
        tag: under which it is listed.
        method: of HTTP, in capitals.
        body: what the request carries; None for nothing.
        body_type: in which form.
        status: of the answer when all is well.
        codes: of failures that it may answer beside `ALWAYS`; their statuses follow from the table of failures.
        scope: what whoever asks needs; None for what anybody may ask. The endpoint's: those who serve need not give it.
        paged: whether an answer may be one of several, which its headers say.
        tagged: whether it has an ETag, and is not sent again to who has it.
        deprecated, sunset: the endpoint's.
        examples: of parameters, by name.
        description: what the summary has no room for.
        later: whether it may be answered 202: what was asked for goes on, and `Location` says where to look.
        listed: parameters as the document has them, of who has no models of them.
        schemas: what `data`, `body` and `listed` refer to, by their names in the document.
    """

    path: str
    summary: str
    parameters: tuple[type[BaseModel], ...] = ()
    data: Described | None = None
    content_types: tuple[str, ...] = ()
    question: str = ""
    tag: str = "history"
    method: str = "GET"
    body: Described | None = None
    body_type: str = "application/json"
    status: int = 200
    codes: tuple[Code, ...] = ()
    scope: Scope | None = None
    paged: bool = False
    tagged: bool = False
    deprecated: date | None = None
    sunset: date | None = None
    examples: Mapping[str, object] = {}
    description: str = ""
    later: bool = False
    listed: tuple[Schema, ...] = ()
    schemas: Mapping[str, Schema] = {}

    @property
    def id(self) -> str:
        """Unique name for programs: of the path, with the method before it where that is not GET."""
        words = _WORDS.split(self.path.removeprefix("/api/v1/").lower())
        name = "_".join(part for part in words if part)
        return name if self.method == "GET" else f"{self.method.lower()}_{name}"
