"""The read side: what users ask, checked, and answered by whatever engine holds the data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from marketprism_application.contracts import times
from marketprism_application.contracts.failures import Code, Failure
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, KINDS, TICK, DataKind
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    Audit,
    BarsOfTicks,
    Book,
    Continuous,
    Daily,
    Dominant,
    Instruments,
    InstrumentSearch,
    Latest,
    Question,
    Records,
    Statistics,
    Symbols,
    decode_question,
    encode_answer,
    encode_failure,
)
from marketprism_application.errors import ApplicationError, QueryError, UnknownSymbolError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.derived_bars import ReadRules, bars
from marketprism_domain.bars.activity_bars import Activity
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import InstrumentId, Interval, Symbol, Venue

if TYPE_CHECKING:
    import pyarrow as pa

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


def kind_of(name: str) -> DataKind:
    """The kind of that name.

    Raises:
        QueryError: there is none.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise QueryError(f"kind: expected one of {', '.join(KINDS)}, was {name[:80]!r}")
    return kind


def checked(query: Records) -> Records:
    """The query, if it can be answered.

    Raises:
        QueryError: names the parameter, what was expected and what it was.
    """
    kind = kind_of(query.kind)
    _check_instrument(query.symbol, query.venue)
    try:
        if query.interval is not None and not (kind is BAR and by_activity(query.interval)):
            Interval.parse(query.interval)
    except InvalidValue as error:
        raise QueryError(str(error)) from error
    if query.interval is None and kind.has_interval:
        raise QueryError(f"interval: expected one for {kind.name}s, like 1m or 1d, was none")
    _check_range(query.ts_from, query.ts_to)
    _check_after(kind, query.after)
    _check_limit(query.limit)
    return query


def _check_instrument(symbol: str, venue: str | None) -> None:
    try:
        if venue is None:
            Symbol(symbol)
        else:
            InstrumentId.of(venue, symbol)
    except InvalidValue as error:
        raise QueryError(str(error)) from error


def _check_range(ts_from: int | None, ts_to: int | None) -> None:
    for name, value in (("ts_from", ts_from), ("ts_to", ts_to)):
        if value is not None and not 0 <= value <= _MAX_NS:
            raise QueryError(f"{name}: expected nanoseconds since 1970, was {value}")
    if ts_from is not None and ts_to is not None and ts_to < ts_from:
        raise QueryError(f"ts_to: expected at or after ts_from ({ts_from}), was {ts_to}")


def _check_after(kind: DataKind, key: Sequence[int | str] | None) -> None:
    if key is None:
        return
    names = kind.page_key
    if not 2 <= len(key) <= len(names):
        raise QueryError(f"after: expected 2 to {len(names)} values ({', '.join(names)}), was {len(key)}")
    for number, value in enumerate(key):
        wanted = int if number < 2 else str
        if type(value) is not wanted:
            raise QueryError(f"after[{number}]: expected {wanted.__name__}, was {type(value).__name__}")
        if isinstance(value, int) and not 0 <= value <= _MAX_NS:
            raise QueryError(f"after[{number}]: expected 0 to {_MAX_NS}, was {value}")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise QueryError(f"limit: expected 1 to {MAX_LIMIT}, was {limit}")


def by_activity(interval: str) -> bool:
    """Whether bars of it are counted by activity (`volume:1000`) and not by time.

    Raises:
        InvalidValue: by an activity that is none.
    """
    if ":" not in interval:
        return False
    Activity.parse(interval)
    return True


def _check_names(names: tuple[str, ...]) -> None:
    if len(names) > _MAX_NAMES:
        raise QueryError(f"names: expected at most {_MAX_NAMES}, was {len(names)}")


def _check_search(search: InstrumentSearch) -> None:
    if search.venue:
        try:
            Venue(search.venue)
        except InvalidValue as error:
            raise QueryError(str(error)) from error
    for name, value in (("text", search.text), ("product", search.product), ("class", search.class_)):
        if len(value) > _MAX_TEXT or not value.isprintable():
            raise QueryError(f"{name}: expected at most {_MAX_TEXT} printable characters, was {value[:80]!r}")
    _check_limit(search.limit)


class _Reading(NamedTuple):
    """What there is to answer with: a store, and what is known beside it."""

    store: StoreReader
    rules: ReadRules | None


async def answer_question(store: StoreReader, question: Question, rules: ReadRules | None = None) -> pa.Table:
    """Answer of one question. With rules, days say how complete they are, intervals that are not stored are made, and
    an instrument of which nothing is stored is an error.

    Raises:
        QueryError, StoreError.
    """
    return await HANDLERS[type(question)](_Reading(store, rules), question)


async def _symbols(reading: _Reading, question: Symbols) -> pa.Table:
    return await reading.store.answer(question)


async def _audit(reading: _Reading, question: Audit) -> pa.Table:
    _check_names(question.sources)
    return await reading.store.answer(question)


async def _latest(reading: _Reading, question: Latest) -> pa.Table:
    kind_of(question.kind)
    _check_names(question.symbols)
    for symbol in question.symbols:
        _check_instrument(symbol, None)
    return await reading.store.answer(question)


async def _daily(reading: _Reading, question: Daily) -> pa.Table:
    from marketprism_application.queries.daily import with_completeness  # noqa: PLC0415 (loads pyarrow)

    _check_instrument(question.symbol, None)
    _check_range(question.ts_from, question.ts_to)
    days = await reading.store.answer(question)
    return days if reading.rules is None else with_completeness(days, reading.rules.calendar)


async def _statistics(reading: _Reading, question: Statistics) -> pa.Table:
    from marketprism_application.queries.statistics import with_vwap  # noqa: PLC0415 (loads pyarrow)

    _check_instrument(question.symbol, None)
    _check_range(question.ts_from, question.ts_to)
    found = await reading.store.answer(question)
    return found if reading.rules is None else with_vwap(found)


async def _instruments(reading: _Reading, question: Instruments) -> pa.Table:
    _check_search(question.search)
    return await reading.store.answer(question)


async def _bars_of_ticks(reading: _Reading, question: BarsOfTicks) -> pa.Table:
    _check_instrument(question.symbol, question.venue)
    return await reading.store.answer(question)


async def _dominant(reading: _Reading, question: Dominant) -> pa.Table:
    from marketprism_application.queries.continuous import dominant  # noqa: PLC0415 (loads pyarrow)

    _check_instrument(question.product, None)
    return await dominant(reading.store, question.product)


async def _continuous(reading: _Reading, question: Continuous) -> pa.Table:
    from marketprism_application.queries.continuous import continuous  # noqa: PLC0415 (loads pyarrow)

    if reading.rules is None:
        raise QueryError("method: expected a question that this service answers, was 'continuous'")
    query = Records(
        BAR.name,
        question.product,
        question.venue,
        question.ts_from,
        question.ts_to,
        question.interval,
        question.limit,
        last=question.last,
    )
    return await continuous(reading.store, question.product, checked(query), question.adjust, reading.rules)


async def _book(reading: _Reading, question: Book) -> pa.Table:
    """The days before the instant are looked at first, and everything only where they hold nothing."""
    end = None if question.at is None else question.at + 1
    checked(Records(TICK.name, question.symbol, question.venue, ts_to=end))
    for days in _LOOK_BACK_DAYS if end is not None else (None,):
        start = None if days is None or end is None else max(0, end - days * _DAY_NS)
        newest = Records(TICK.name, question.symbol, question.venue, start, end, limit=1, last=True)
        found = await reading.store.answer(newest)
        if found.num_rows:
            break
    return found


async def _records(reading: _Reading, question: Records) -> pa.Table:
    from marketprism_application.queries.activity_bars import activity_bars  # noqa: PLC0415 (loads pyarrow)
    from marketprism_application.queries.bars_from_ticks import bars_of_ticks  # noqa: PLC0415 (loads pyarrow)

    checked(question)
    if question.made_of not in ("", "ticks"):
        raise QueryError(f"made_of: expected ticks, was {question.made_of[:80]!r}")
    rules = reading.rules
    if question.kind != BAR.name or rules is None:
        found = await reading.store.answer(question)
    elif by_activity(str(question.interval)):
        found = await activity_bars(reading.store, question, rules)
    elif question.made_of or not _from_bars(question, rules):
        found = await bars_of_ticks(reading.store, question, rules)
    else:
        found = await bars(reading.store, question, rules)
    if rules is not None and not found.num_rows and question.after is None:
        await _check_known(reading.store, question.symbol)
    return found


HANDLERS: dict[type[Question], Callable[[_Reading, Any], Awaitable[pa.Table]]] = {
    Records: _records,
    Latest: _latest,
    Symbols: _symbols,
    Audit: _audit,
    Daily: _daily,
    Statistics: _statistics,
    Instruments: _instruments,
    BarsOfTicks: _bars_of_ticks,
    Book: _book,
    Dominant: _dominant,
    Continuous: _continuous,
}


def _from_bars(query: Records, rules: ReadRules) -> bool:
    """Whether stored bars can make the interval: it is stored, or is whole minutes of which minutes are stored."""
    interval = Interval.parse(str(query.interval))
    return str(interval) in rules.intervals or ("1m" in rules.intervals and interval.seconds % 60 == 0)


async def _check_known(store: StoreReader, symbol: str) -> None:
    for kind in _SIGNS:
        if (await store.answer(Latest(kind.name, (symbol,)))).num_rows:
            return
    raise UnknownSymbolError(f"symbol: expected one that is stored, was {symbol!r}")


async def answer(store: StoreReader, data: bytes, rules: ReadRules | None = None) -> bytes:
    """Bytes in, bytes out: a question's answer or its failure; never raises for what a caller sent."""
    try:
        return encode_answer(await answer_question(store, decode_question(data), rules))
    except ApplicationError as error:
        return encode_failure(Failure(error.code, str(error), error.retryable))
    except ValueError as error:
        return encode_failure(Failure(Code.INVALID_PARAMETER, str(error)))
