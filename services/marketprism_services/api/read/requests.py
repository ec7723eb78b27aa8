"""What each request of the read API may hold, a model a form of request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, TypeAlias, cast

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, create_model

from marketprism_application.contracts.book_view import MAX_DEPTH
from marketprism_application.contracts.kinds import BAR, PATHS, DataKind
from marketprism_application.contracts.questions import MAX_LIMIT
from marketprism_application.contracts.rows import FLAT_LEVELS, SIDES
from marketprism_application.errors import QueryError
from marketprism_application.queries.checks import MAX_SEARCH_LIMIT, MAX_SEARCH_TEXT
from marketprism_application.queries.symbol_names import MOST_SYMBOLS
from marketprism_services.api.read.parameters import (
    SHOWN,
    After,
    AnswerParameters,
    Day,
    FormatParameters,
    Limit,
    Parameters,
    Time,
    ZoneParameters,
    name_of,
    one_of,
    whole,
)

MADE_OF_OTHERS = frozenset({BAR.name})
STREAM_FORMATS = ("csv", "ndjson", "arrow", "parquet", "msgpack", "json")
_FROM = Field(
    None,
    alias="from",
    description="begin: a time, or a day for its first instant (of China, or of tz, where it names no zone); digits "
    "are seconds (10), milliseconds (13), microseconds (16) or nanoseconds (19) since 1970",
)
_TO = Field(None, description="end, not included; a day is its first instant, as for from")
_AT = Field(None, description="the instant, as for from; now when it is not there")
_LIMIT = Field(None, description=f"rows of a page; {MAX_LIMIT} without it, `next` where there are more")


def _last(value: object, info: ValidationInfo) -> int:
    text = str(value).lower()
    if text in ("true", "false"):
        return -1 if text == "true" else 0
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_LIMIT)) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(
            f"{name_of(info)}: expected true, false or a number of rows up to {MAX_LIMIT}, was {str(value)[:SHOWN]!r}"
        )
    return int(text)


def _levels(value: object, info: ValidationInfo) -> int:
    text = str(value)
    if text in ("nested", "flat"):
        return FLAT_LEVELS if text == "flat" else 0
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_DEPTH)) or not 1 <= int(text) <= MAX_DEPTH:
        raise ValueError(f"{name_of(info)}: expected nested, flat or 1 to {MAX_DEPTH}, was {text[:SHOWN]!r}")
    return int(text)


def _depth(value: object, info: ValidationInfo) -> int:
    return 0 if value == "all" else whole(MAX_DEPTH)(value, info)


def _instrument_key(value: object) -> tuple[str, str]:
    venue, comma, symbol = str(value).partition(",")
    if not comma or not venue or not symbol:
        raise ValueError(f"after: expected <venue>,<symbol> of the last row before, was {str(value)[:SHOWN]!r}")
    return venue, symbol


def _in_order(given: Mapping[str, str], ts_from: int | None, ts_to: int | None) -> None:
    if ts_from is None or ts_to is None:
        return
    days = len(given["to"].strip()) <= 10
    if ts_to < ts_from or (ts_to == ts_from and days and given["to"] == given["from"]):
        hint = "; a day alone is its first instant, a whole one is trading_day" if days else ""
        raise QueryError(f"to: expected after from ({given['from'][:SHOWN]}), was {given['to'][:SHOWN]}{hint}")


class DayParameters(Parameters):
    """Trading days, the night of the evening before each with it."""

    trading_day: Day = Field(None, description="one trading day, as the exchange dates it")
    from_day: Day = Field(None, description="first trading day")
    to_day: Day = Field(None, description="last trading day, included")

    def check(self, given: Mapping[str, str]) -> None:
        """Whether the days are one range of them. Raises QueryError: they are not."""
        super().check(given)
        if self.trading_day is not None and (self.from_day is not None or self.to_day is not None):
            raise QueryError("trading_day: expected without from_day and to_day")
        if self.from_day is not None and self.to_day is not None and self.to_day < self.from_day:
            raise QueryError(f"to_day: expected at or after from_day ({given['from_day']}), was {given['to_day']}")

    @property
    def days(self) -> tuple[str | None, str | None]:
        """First and last day."""
        return self.trading_day or self.from_day, self.trading_day or self.to_day


class SpanParameters(ZoneParameters):
    """Records in [from, to)."""

    from_: Time = _FROM
    to: Time = _TO

    def check(self, given: Mapping[str, str]) -> None:
        """Whether the end is behind the begin. Raises QueryError: it is not."""
        super().check(given)
        _in_order(given, self.from_, self.to)


class SymbolParameters(FormatParameters):
    """One instrument, or a product."""

    symbol: str


class RangeParameters(DayParameters, SpanParameters, SymbolParameters):
    """One instrument in [from, to), or by trading day."""


class SessionsParameters(RangeParameters):
    """Days of one instrument, or a span of time."""

    venue: str | None = Field(None, description="this one only, of an instrument that several have")


class InstrumentParameters(FormatParameters):
    """Which instruments; what is not there matches every one."""

    search: str = Field("", description="part of the symbol, product, underlying or name, in any case")
    venue: str = ""
    product: str = ""
    class_: str = Field("", alias="class", description="future, option, combination, spot or swap")
    limit: Limit = _LIMIT
    at: Time = _AT
    after: Annotated[tuple[str, str] | None, BeforeValidator(_instrument_key), WithJsonSchema({"type": "string"})] = (
        Field(None, description="<venue>,<symbol> of the last row of the page before: `next` of its answer")
    )


class SearchParameters(FormatParameters):
    """Which instruments are meant, and how many of them."""

    text: str = Field(
        "",
        description="words that all have to match, in any case and width: a symbol, a product, a name in Chinese, its "
        f"pinyin or the initials of that, an English word, a venue, a class; at most {MAX_SEARCH_TEXT} characters; "
        "empty: what has data, the newest first",
        json_schema_extra={"maxLength": MAX_SEARCH_TEXT},
    )
    venue: str = ""
    class_: str = Field("", alias="class", description="future, option, combination, spot or swap")
    limit: Annotated[
        int,
        BeforeValidator(whole(MAX_SEARCH_LIMIT)),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_SEARCH_LIMIT}),
    ] = Field(20, description="instruments at most")


class LevelsParameters(AnswerParameters):
    """What records with the two sides of a book have besides."""

    levels: Annotated[
        int,
        BeforeValidator(_levels),
        WithJsonSchema(
            {"oneOf": [{"enum": ["nested", "flat"]}, {"type": "integer", "minimum": 1, "maximum": MAX_DEPTH}]}
        ),
    ] = Field(
        0,
        json_schema_extra={"default": "nested"},
        description=f"nested: bids and asks are lists; flat or a number: columns bid_price_1, bid_volume_1, "
        f"ask_price_1, ask_volume_1 … of so many levels ({FLAT_LEVELS} for flat), of deeper ones none",
    )

    @property
    def book_levels(self) -> int:
        """How many levels of a book are columns."""
        return self.levels


class LatestTickParameters(LevelsParameters, SymbolParameters):
    """The newest tick."""


class BookParameters(LevelsParameters, SymbolParameters):
    """A book at an instant."""

    venue: str | None = None
    at: Time = _AT


class LiveBookParameters(Parameters):
    """A book as it stands at its venue."""

    symbol: str
    venue: str
    depth: Annotated[
        int,
        BeforeValidator(_depth),
        WithJsonSchema({"oneOf": [{"type": "integer", "minimum": 1, "maximum": MAX_DEPTH}, {"const": "all"}]}),
    ] = Field(20, description="levels of each side, or all")


class LatestBarParameters(SymbolParameters):
    """The newest bar of an interval."""

    interval: str = Field("1m", description="like 1m, 1h or 1d")


Last: TypeAlias = Annotated[
    int,
    BeforeValidator(_last),
    WithJsonSchema({"oneOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}]}),
]


class PageParameters(DayParameters, SpanParameters, AnswerParameters):
    """Which records of an instrument."""

    venue: str | None = None
    after: After = Field(
        None,
        description="`next` of the page before: <time>,<seq>,<venue> of its last row; the venue can be left out where "
        "there is one. Gaps have <cause>,<kind> besides, bars and klines <interval>, order books <form>.",
    )


class IntervalParameters(Parameters):
    """What bars and klines have besides."""

    interval: str | None = Field(
        None, description="needed: 1m, 1h, 1d; of bars also volume:1000", json_schema_extra={"x-needed": True}
    )


class AsOfParameters(Parameters):
    """What bars and klines have besides."""

    as_of: Time = Field(
        None, description="as they stood then: of each the last revision that was published by that time"
    )


class OriginParameters(Parameters):
    """What bars have besides."""

    made_of: str = Field("", description="`ticks` makes the bars of the ticks, whatever bars are stored")


class LastParameters(Parameters):
    """The newest records."""

    limit: Limit = _LIMIT
    last: Last = Field(
        0,
        json_schema_extra={"default": False},
        description="true: the newest limit rows, or so many, oldest first all the same",
    )

    def check(self, given: Mapping[str, str]) -> None:
        """Whether one number says how many rows. Raises QueryError: two do."""
        super().check(given)
        if self.last > 0 and self.limit is not None:
            raise QueryError(f"last: expected true beside limit, was {given['last'][:SHOWN]!r}")

    @property
    def rows(self) -> int | None:
        """Rows of a page, None where the request does not say."""
        return self.last if self.last > 0 else self.limit


class RecordsParameters(LastParameters, PageParameters, FormatParameters):
    """Records of one instrument or of several; of several, each has the limit for itself."""

    symbols: str = Field(
        description=f"one symbol, several with commas between them, or a pattern like ru*: up to {MOST_SYMBOLS}"
    )


class ContinuousParameters(LastParameters, PageParameters, IntervalParameters, FormatParameters):
    """Bars of a product's main contracts in one line."""

    symbol: str = Field(description="the product, like rb")
    adjust: str = Field("none", description="none, difference or ratio: how prices before a change are moved")


class StreamParameters(PageParameters):
    """Records of one instrument as one document of any length."""

    symbol: str
    format: Annotated[
        str, BeforeValidator(one_of(STREAM_FORMATS)), WithJsonSchema({"type": "string", "enum": [*STREAM_FORMATS]})
    ] = "ndjson"
    limit: Annotated[
        int | None, BeforeValidator(whole(MAX_LIMIT)), WithJsonSchema({"type": "integer", "minimum": 1})
    ] = Field(None, description="rows of the whole document; without it all, or a document that is cut off unfinished")


@cache
def records_parameters(path: str) -> type[RecordsParameters]:
    """The parameters of `/api/v1/<path>/<symbols>`: those of all kinds, and what the kind has besides."""
    bases: tuple[type[Parameters], ...] = (*_besides(PATHS[path]), RecordsParameters)
    return cast("type[RecordsParameters]", create_model(f"{path.title()}Parameters", __base__=bases))


@cache
def stream_parameters(path: str) -> type[StreamParameters]:
    """The parameters of `/api/v1/<path>/<symbol>/stream`."""
    bases: tuple[type[Parameters], ...] = (*_besides(PATHS[path]), StreamParameters)
    return cast("type[StreamParameters]", create_model(f"{path.title()}StreamParameters", __base__=bases))


def _besides(kind: DataKind) -> tuple[type[Parameters], ...]:
    found: list[type[Parameters]] = []
    if kind.has_interval:
        found.append(IntervalParameters)
    if kind.revisions:
        found.append(AsOfParameters)
    if kind.name in MADE_OF_OTHERS:
        found.append(OriginParameters)
    if any(side in kind.fields for side in SIDES):
        found.append(LevelsParameters)
    return tuple(found)
