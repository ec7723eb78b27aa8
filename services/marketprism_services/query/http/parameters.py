"""Parameters of the read API's requests, a model a form of request.

What is none is refused as INVALID_PARAMETER: the text names the parameter, what was expected and what it was.
Parameters that a model does not have are nobody's business here and pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self, TypeAlias

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, WithJsonSchema

from marketprism_application.contracts.book_view import MAX_DEPTH
from marketprism_application.contracts.questions import MAX_LIMIT
from marketprism_application.contracts.times import parse_time
from marketprism_application.errors import QueryError
from marketprism_application.queries.export import FORMATS

STREAM_FORMATS = ("csv", "ndjson", "arrow")
_MOST_SYMBOLS = 200
_SHOWN = 80


class Parameters(BaseModel):
    """Of a request, in its path and in its query; a name that comes twice counts once, as it comes first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def of(cls, request: web.Request, **context: Any) -> Self:
        """The request's parameters; `context` is what a limit depends on that a setting has.

        Raises:
            QueryError: the first that is wrong.
        """
        try:
            return cls.model_validate({**request.query, **request.match_info}, context=context)
        except ValidationError as error:
            raise QueryError(_text(error)) from error


def _text(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    name = ".".join(str(part) for part in first["loc"])
    return f"{name}: expected {first['msg'].removeprefix('Input should be ')}, was {str(first['input'])[:_SHOWN]!r}"


def _name(info: ValidationInfo) -> str:
    return str(info.field_name).rstrip("_")


def _time(value: Any, info: ValidationInfo) -> int | None:
    return parse_time(value, _name(info))


def _whole(most: int) -> Callable[[Any, ValidationInfo], int]:
    """Checks a number of 1 to `most`, which a context's `most` replaces."""

    def check(value: Any, info: ValidationInfo) -> int:
        text, top = str(value), (info.context or {}).get("most", most)
        if not (text.isascii() and text.isdigit()) or len(text) > len(str(top)) or not 1 <= int(text) <= top:
            raise ValueError(f"{_name(info)}: expected 1 to {top}, was {text[:_SHOWN]!r}")
        return int(text)

    return check


def _one_of(names: tuple[str, ...]) -> Callable[[Any, ValidationInfo], str]:
    def check(value: Any, info: ValidationInfo) -> str:
        if value not in names:
            raise ValueError(f"{_name(info)}: expected one of {', '.join(names)}, was {str(value)[:_SHOWN]!r}")
        return str(value)

    return check


def _after(value: Any) -> tuple[int | str, ...]:
    parts = str(value).split(",")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts[:2]):
        raise ValueError(f"after: expected <ts>,<seq> of the last row before, was {str(value)[:_SHOWN]!r}")
    return int(parts[0]), int(parts[1]), *parts[2:]


def _symbols(value: Any) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(str(value).split(",")))
    if len(found) > _MOST_SYMBOLS:
        raise ValueError(f"symbols: expected at most {_MOST_SYMBOLS}, was {len(found)}")
    return found


def _depth(value: Any, info: ValidationInfo) -> int:
    return 0 if value == "all" else _whole(MAX_DEPTH)(value, info)


Time: TypeAlias = Annotated[
    int | None,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "examples": ["2025-03-03", "2025-03-03T21:00", "1741006800000000000"]}),
]
Limit: TypeAlias = Annotated[
    int,
    BeforeValidator(_whole(MAX_LIMIT)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
]
Flag: TypeAlias = Annotated[bool, BeforeValidator(lambda value: value is True or value == "true")]
_FROM = Field(None, alias="from", description="begin: a day, a time (of China where it names no zone) or nanoseconds")
_TO = Field(None, description="end, not included")
_AT = Field(None, description="the instant: a day, a time or nanoseconds; now when it is not there")


class FormatParameters(Parameters):
    """In which form the answer comes."""

    format: Annotated[
        str, BeforeValidator(_one_of(FORMATS)), WithJsonSchema({"type": "string", "enum": [*FORMATS]})
    ] = Field("json", description="json in the envelope, the others as a file")


class SymbolParameters(Parameters):
    """One instrument."""

    symbol: str


class RangeParameters(SymbolParameters):
    """One instrument, or a product, in [from, to)."""

    from_: Time = _FROM
    to: Time = _TO


class InstrumentParameters(Parameters):
    """Which instruments; what is not there matches every one."""

    search: str = Field("", description="part of the symbol, product, underlying or name, in any case")
    venue: str = ""
    product: str = ""
    class_: str = Field("", alias="class", description="future, option, combination, spot or swap")
    limit: Limit = 100
    at: Time = _AT


class BookParameters(SymbolParameters):
    """A book at an instant."""

    venue: str | None = None
    at: Time = _AT


class LiveBookParameters(SymbolParameters):
    """A book as it stands at its venue."""

    venue: str
    depth: Annotated[
        int,
        BeforeValidator(_depth),
        WithJsonSchema({"oneOf": [{"type": "integer", "minimum": 1, "maximum": MAX_DEPTH}, {"const": "all"}]}),
    ] = Field(20, description="levels of each side, or all")


class LatestBarParameters(SymbolParameters):
    """The newest bar of an interval."""

    interval: str = Field("1m", description="like 1m, 1h or 1d")


class PageParameters(Parameters):
    """Which records of an instrument."""

    venue: str | None = None
    from_: Time = _FROM
    to: Time = _TO
    after: Annotated[tuple[int | str, ...] | None, BeforeValidator(_after), WithJsonSchema({"type": "string"})] = Field(
        None,
        description="<time>,<seq>,<venue> of the last row of the page before; the venue can be left out where there "
        "is one. Gaps have <cause>,<kind> besides, bars and klines <interval>, order books <form>.",
    )
    last: Flag = Field(False, description="the newest instead, oldest first all the same")
    interval: str | None = Field(
        None,
        description="of bars and klines, which need one: 1m, 1h, 1d; of bars also volume:1000",
    )
    made_of: str = Field("", description="of bars: `ticks` makes them of the ticks, whatever bars are stored")


class RecordsParameters(PageParameters):
    """Records of one instrument or of several; of several, each has the limit for itself."""

    limit: Limit = 1_000
    symbols: Annotated[tuple[str, ...], BeforeValidator(_symbols), WithJsonSchema({"type": "string"})] = Field(
        description=f"one symbol, or up to {_MOST_SYMBOLS} with commas between them"
    )


class ContinuousParameters(PageParameters):
    """Bars of a product's main contracts in one line."""

    symbol: str = Field(description="the product, like rb")
    limit: Limit = 1_000
    adjust: str = Field("none", description="none, difference or ratio: how prices before a change are moved")


class StreamParameters(PageParameters):
    """Records of one instrument as one document of any length."""

    symbol: str
    format: Annotated[
        str, BeforeValidator(_one_of(STREAM_FORMATS)), WithJsonSchema({"type": "string", "enum": [*STREAM_FORMATS]})
    ] = "ndjson"
    limit: Annotated[
        int | None, BeforeValidator(_whole(MAX_LIMIT)), WithJsonSchema({"type": "integer", "minimum": 1})
    ] = Field(None, description="rows of the whole document; the service's own limit when it is not there")
