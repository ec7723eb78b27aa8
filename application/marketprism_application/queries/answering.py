"""The read side: what users ask, checked, and answered by whatever engine holds the data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from marketprism_application.contracts import times
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, KINDS, TICK, DataKind
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    METHODS,
    Failure,
    InstrumentSearch,
    Question,
    decode_question,
    encode_answer,
    encode_failure,
)
from marketprism_application.errors import ApplicationError, QueryError, StoreError, UnknownSymbolError
from marketprism_application.ports.reading import MarketReader, RangeQuery
from marketprism_application.queries.derived_bars import ReadRules, bars
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Interval, Symbol, Venue

if TYPE_CHECKING:
    import pyarrow as pa

    from marketprism_application.queries.bars_from_ticks import TickBars

_MAX_NAMES = 1_000
_MAX_TEXT = 64
_MAX_NS = 2**63 - 1
_DAY_NS = 86_400 * 10**9
_LOOK_BACK_DAYS = (1, 10, None)
_SIGNS = (TICK, BAR, INSTRUMENT)  # any of them says that an instrument is known


def parse_time(value: str | int | date | datetime | None, name: str) -> int | None:
    """`contracts.times.parse_time` for the read side.

    Raises:
        QueryError: not a time.
    """
    try:
        return times.parse_time(value, name)
    except ValueError as error:
        raise QueryError(str(error)) from error


def checked(kind: DataKind, query: RangeQuery) -> RangeQuery:
    """The query, if it can be answered.

    Raises:
        QueryError: names the parameter, what was expected and what it was.
    """
    try:
        Symbol(query.symbol)
        if query.venue is not None:
            Venue(query.venue)
        if query.interval is not None:
            Interval.parse(query.interval)
    except InvalidValue as error:
        raise QueryError(str(error)) from error
    if query.interval is None and "interval" in kind.fields:
        raise QueryError(f"interval: expected one for {kind.name}s, like 1m or 1d, was none")
    for name, value in (("ts_from", query.ts_from), ("ts_to", query.ts_to)):
        if value is not None and not 0 <= value <= _MAX_NS:
            raise QueryError(f"{name}: expected nanoseconds since 1970, was {value}")
    if query.ts_from is not None and query.ts_to is not None and query.ts_to < query.ts_from:
        raise QueryError(f"ts_to: expected at or after ts_from ({query.ts_from}), was {query.ts_to}")
    if not 1 <= query.limit <= MAX_LIMIT:
        raise QueryError(f"limit: expected 1 to {MAX_LIMIT}, was {query.limit}")
    return query


def _searchable(search: InstrumentSearch) -> InstrumentSearch:
    if search.venue:
        try:
            Venue(search.venue)
        except InvalidValue as error:
            raise QueryError(str(error)) from error
    for name, value in (("text", search.text), ("product", search.product), ("class", search.class_)):
        if len(value) > _MAX_TEXT or not value.isprintable():
            raise QueryError(f"{name}: expected at most {_MAX_TEXT} printable characters, was {value[:80]!r}")
    if not 1 <= search.limit <= MAX_LIMIT:
        raise QueryError(f"limit: expected 1 to {MAX_LIMIT}, was {search.limit}")
    return search


class _Sides(NamedTuple):
    """What there is to answer with."""

    reader: MarketReader
    rules: ReadRules | None
    maker: TickBars | None


async def ask(
    reader: MarketReader, question: Question, rules: ReadRules | None = None, maker: TickBars | None = None
) -> pa.Table:
    """Answer of one question. With rules, days say how complete they are, intervals that are not kept are made, and an
    instrument of which nothing is stored is an error.

    Raises:
        QueryError, StoreError.
    """
    answer_to = _ANSWERS.get(question.method)
    if answer_to is None:
        raise QueryError(f"method: expected one of {', '.join(METHODS)}, was {question.method[:80]!r}")
    if len(question.names) > _MAX_NAMES:
        raise QueryError(f"names: expected at most {_MAX_NAMES}, was {len(question.names)}")
    return await answer_to(_Sides(reader, rules, maker), question)


async def _symbols(sides: _Sides, _: Question) -> pa.Table:
    return await sides.reader.symbols()


async def _audit(sides: _Sides, question: Question) -> pa.Table:
    return await sides.reader.audit(question.names)


async def _daily(sides: _Sides, question: Question) -> pa.Table:
    from marketprism_application.queries.daily import with_completeness  # noqa: PLC0415 (loads pyarrow)

    checked(TICK, RangeQuery(question.symbol, ts_from=question.ts_from, ts_to=question.ts_to))
    days = await sides.reader.daily(question.symbol, question.ts_from, question.ts_to)
    return days if sides.rules is None else with_completeness(days, sides.rules.calendar)


async def _statistics(sides: _Sides, question: Question) -> pa.Table:
    from marketprism_application.queries.statistics import with_vwap  # noqa: PLC0415 (loads pyarrow)

    checked(TICK, RangeQuery(question.symbol, ts_from=question.ts_from, ts_to=question.ts_to))
    found = await sides.reader.statistics(question.symbol, question.ts_from, question.ts_to)
    return found if sides.rules is None else with_vwap(found)


async def _instruments(sides: _Sides, question: Question) -> pa.Table:
    return await sides.reader.instruments(_searchable(question.search))


async def _book(sides: _Sides, question: Question) -> pa.Table:
    return await book_at(sides.reader, question.symbol, question.venue, question.ts_to)


async def _bars_of_ticks(sides: _Sides, question: Question) -> pa.Table:
    checked(TICK, RangeQuery(question.symbol, question.venue))
    maker = _maker(sides.maker)
    return await maker.bars_of_ticks(question.symbol, str(question.venue), question.sections, question.width_ns)


async def _dominant(sides: _Sides, question: Question) -> pa.Table:
    from marketprism_application.queries.continuous import dominant  # noqa: PLC0415 (loads pyarrow)

    return await dominant(sides.reader, question.symbol)


async def _continuous(sides: _Sides, question: Question) -> pa.Table:
    from marketprism_application.queries.continuous import continuous  # noqa: PLC0415 (loads pyarrow)

    if sides.rules is None:
        raise QueryError("method: expected a question that this service answers, was 'continuous'")
    query = RangeQuery(
        question.symbol, question.venue, question.ts_from, question.ts_to, question.interval, question.limit,
        None, question.last,
    )  # fmt: skip
    return await continuous(sides.reader, question.symbol, checked(BAR, query), question.adjust, sides.rules)


async def _latest(sides: _Sides, question: Question) -> pa.Table:
    return await sides.reader.latest(_kind(question), question.names)


async def _records(sides: _Sides, question: Question) -> pa.Table:
    from marketprism_application.queries.bars_from_ticks import bars_of_ticks  # noqa: PLC0415 (loads pyarrow)

    kind = _kind(question)
    query = RangeQuery(
        question.symbol, question.venue, question.ts_from, question.ts_to, question.interval, question.limit,
        question.after, question.last,
    )  # fmt: skip
    checked(kind, query)
    if question.made_of not in ("", "ticks"):
        raise QueryError(f"made_of: expected ticks, was {question.made_of[:80]!r}")
    rules = sides.rules
    if kind is not BAR or rules is None:
        found = await sides.reader.records(kind, query)
    elif question.made_of or not _from_bars(query, rules):
        found = await bars_of_ticks(sides.reader, _maker(sides.maker), query, rules)
    else:
        found = await bars(sides.reader, query, rules)
    if (
        rules is not None
        and not found.num_rows
        and query.after is None
        and not await _known(sides.reader, query.symbol)
    ):
        raise UnknownSymbolError(f"symbol: expected one that is stored, was {query.symbol!r}")
    return found


_ANSWERS: dict[str, Callable[[_Sides, Question], Awaitable[pa.Table]]] = {
    "records": _records, "latest": _latest, "symbols": _symbols, "audit": _audit, "daily": _daily, "book": _book,
    "dominant": _dominant, "continuous": _continuous, "statistics": _statistics, "instruments": _instruments,
    "bars_of_ticks": _bars_of_ticks,
}  # fmt: skip


def _kind(question: Question) -> DataKind:
    kind = KINDS.get(question.kind)
    if kind is None:
        raise QueryError(f"kind: expected one of {', '.join(KINDS)}, was {question.kind[:80]!r}")
    return kind


def _maker(maker: TickBars | None) -> TickBars:
    if maker is None:
        raise QueryError("made_of: expected nothing, this store makes no bars of ticks")
    return maker


def _from_bars(query: RangeQuery, rules: ReadRules) -> bool:
    """Whether kept bars can make the interval: it is kept, or is whole minutes of which minutes are kept."""
    interval = Interval.parse(str(query.interval))
    return str(interval) in rules.intervals or ("1m" in rules.intervals and interval.seconds % 60 == 0)


async def book_at(reader: MarketReader, symbol: str, venue: str | None, at: int | None) -> pa.Table:
    """The newest tick at or before an instant, in whose levels the book stands; no row when there is none.

    The days before the instant are looked at first, and everything only where they hold nothing.
    """
    end = None if at is None else at + 1
    checked(TICK, RangeQuery(symbol, venue, ts_to=end))
    for days in _LOOK_BACK_DAYS if end is not None else (None,):
        start = None if days is None or end is None else max(0, end - days * _DAY_NS)
        found = await reader.records(TICK, RangeQuery(symbol, venue, start, end, limit=1, last=True))
        if found.num_rows:
            break
    return found


async def _known(reader: MarketReader, symbol: str) -> bool:
    for kind in _SIGNS:
        if (await reader.latest(kind, [symbol])).num_rows:
            return True
    return False


async def answer(
    reader: MarketReader, data: bytes, rules: ReadRules | None = None, maker: TickBars | None = None
) -> bytes:
    """Bytes in, bytes out: a question's answer or its failure; never raises for what a caller sent."""
    try:
        return encode_answer(await ask(reader, decode_question(data), rules, maker))
    except UnknownSymbolError as error:
        return encode_failure(Failure("UNKNOWN_SYMBOL", str(error)))
    except (QueryError, ValueError) as error:
        return encode_failure(Failure("INVALID_PARAMETER", str(error)))
    except StoreError as error:
        return encode_failure(Failure("STORE_ERROR", str(error), error.retryable))
    except ApplicationError as error:
        return encode_failure(Failure("INTERNAL", str(error), error.retryable))
