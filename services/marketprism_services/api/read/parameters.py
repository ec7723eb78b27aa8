"""Parameters of the read API's requests: what a model of them is, and the values that several have.

What is none is refused as INVALID_PARAMETER: the text names the parameter as it was written, what was expected and what
it was. A parameter that a request does not have is refused too, with the nearest that it has, and one that comes twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Annotated, Any, Self, TypeAlias

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, WithJsonSchema

from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.questions import MAX_LIMIT
from marketprism_application.contracts.times import CHINA, parse_time, zone_of
from marketprism_application.errors import QueryError
from marketprism_application.queries.export import FORMATS
from marketprism_application.queries.trading_days import day_text_of

SHOWN = 80


class Parameters(BaseModel):
    """Of a request, in its path and in its query. The fields are the whole list: OpenAPI reads them as well."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def of(cls, request: web.Request, **context: Any) -> Self:
        """The request's parameters; `context` is what a limit depends on that a setting has.

        Raises:
            QueryError: the first that is wrong, that the request does not have, or that comes twice.
        """
        query = request.query
        names = [field.alias or name for name, field in cls.model_fields.items()]
        names = [name for name in names if name not in request.match_info]
        for name in query:
            if name not in names:
                listed = f"one of {', '.join(names)}" if names else "no parameter"
                near = did_you_mean(name, names)
                raise QueryError(f"{name[:SHOWN]}: expected {listed} in this request, was {name[:SHOWN]!r}{near}")
            if len(query.getall(name)) > 1:
                raise QueryError(f"{name}: expected once, was given {len(query.getall(name))} times")
        given = {**query, **request.match_info}
        try:
            found = cls.model_validate(given, context=context)
        except ValidationError as error:
            raise QueryError(_text(error)) from error
        found.check(given)
        return found

    def check(self, given: Mapping[str, str]) -> None:
        """Whether the parameters go together; `given` has them as they were written.

        Raises:
            QueryError: they do not.
        """


def _text(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    name = ".".join(str(part) for part in first["loc"])
    return f"{name}: expected {first['msg'].removeprefix('Input should be ')}, was {str(first['input'])[:SHOWN]!r}"


def name_of(info: ValidationInfo) -> str:
    """A parameter as its callers write it."""
    return str(info.field_name).rstrip("_")


def _time(value: object, info: ValidationInfo) -> int | None:
    return parse_time(str(value), name_of(info), info.data.get("tz") or CHINA)


def whole(most: int) -> Callable[[object, ValidationInfo], int]:
    """Checks a number of 1 to `most`, which a context's `most` replaces."""

    def check(value: object, info: ValidationInfo) -> int:
        text, top = str(value), (info.context or {}).get("most", most)
        if not (text.isascii() and text.isdigit()) or len(text) > len(str(top)) or not 1 <= int(text) <= top:
            raise ValueError(f"{name_of(info)}: expected 1 to {top}, was {text[:SHOWN]!r}")
        return int(text)

    return check


def one_of(names: tuple[str, ...]) -> Callable[[object, ValidationInfo], str]:
    """Checks a word of these."""

    def check(value: object, info: ValidationInfo) -> str:
        if value not in names:
            raise ValueError(f"{name_of(info)}: expected one of {', '.join(names)}, was {str(value)[:SHOWN]!r}")
        return str(value)

    return check


def _names(value: object, info: ValidationInfo) -> tuple[str, ...]:
    found = tuple(part.strip() for part in str(value).split(","))
    if not all(found):
        raise ValueError(f"{name_of(info)}: expected names with commas between them, was {str(value)[:SHOWN]!r}")
    return found


def _day(value: object, info: ValidationInfo) -> str:
    try:
        return day_text_of(str(value), name_of(info))
    except QueryError as error:
        raise ValueError(str(error)) from error


def _after(value: object) -> tuple[int | str, ...]:
    parts = str(value).split(",")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts[:2]):
        raise ValueError(f"after: expected <ts>,<seq> of the last row before, was {str(value)[:SHOWN]!r}")
    return int(parts[0]), int(parts[1]), *parts[2:]


Time: TypeAlias = Annotated[
    int | None,
    BeforeValidator(_time),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [
                {"format": "date-time"},
                {"format": "date"},
                {"pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$"},
                {"pattern": "^[0-9]{10}([0-9]{3}){0,3}$"},
            ],
            "examples": ["2025-03-03", "2025-03-03T21:00", "2025-03-03T13:00:00Z", "1741006800000000000"],
        }
    ),
]
Day: TypeAlias = Annotated[
    str | None,
    BeforeValidator(_day),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"format": "date"}, {"pattern": "^[0-9]{8}$"}],
            "examples": ["2018-10-09", "20181009"],
        }
    ),
]
Limit: TypeAlias = Annotated[
    int | None,
    BeforeValidator(whole(MAX_LIMIT)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
]
Fields: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_names), WithJsonSchema({"type": "string"})]
After: TypeAlias = Annotated[
    tuple[int | str, ...] | None,
    BeforeValidator(_after),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,19},[0-9]{1,19}(,.*)?$"}),
]
Zone: TypeAlias = Annotated[
    tzinfo | None,
    BeforeValidator(lambda value: zone_of(str(value))),
    WithJsonSchema({"type": "string", "examples": ["UTC", "Asia/Shanghai", "+08:00"]}),
]


class ZoneParameters(Parameters):
    """In which zone times are read and written."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    tz: Zone = Field(None, description="of times that name no zone, and of the answer's; China, and none, without it")
    times: Annotated[
        str | None, BeforeValidator(one_of(("ns", "iso"))), WithJsonSchema({"type": "string", "enum": ["ns", "iso"]})
    ] = Field(
        None,
        description="of the answer: ns, nanoseconds since 1970, or iso, ISO 8601 (timestamps in arrow and parquet), in "
        "UTC or in tz; iso where there is a tz, else ns",
    )

    @property
    def written_in(self) -> tzinfo | None:
        """The zone that the answer's times are written in; None for nanoseconds."""
        if self.times == "ns" or (not self.times and self.tz is None):
            return None
        return self.tz or UTC


class AnswerParameters(ZoneParameters):
    """Which columns the answer's rows have."""

    fields: Fields = Field((), description="names of columns with commas between them, in their order; all without it")

    @property
    def book_levels(self) -> int:
        """How many levels of a book are columns; 0: books are lists."""
        return 0


class FormatParameters(AnswerParameters):
    """In which form the answer comes."""

    format: Annotated[str, BeforeValidator(one_of(FORMATS)), WithJsonSchema({"type": "string", "enum": [*FORMATS]})] = (
        Field("json", description="json in the envelope, the others as a file")
    )


async def load_zone(request: web.Request) -> None:
    """Have the time zone that a request names read from its file before it is needed."""
    if "tz" in request.query:
        with contextlib.suppress(ValueError):
            await asyncio.to_thread(zone_of, request.query["tz"])
