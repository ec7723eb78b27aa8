"""The read side: what users ask, checked, and answered by whatever engine holds the data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_args

import msgspec

from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.book_view import MAX_DEPTH
from marketprism_application.contracts.failures import Code, Failure
from marketprism_application.contracts.kinds import BAR, KINDS, TICK
from marketprism_application.contracts.overview_questions import OverviewQuestion
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    Audit,
    BarSeries,
    BarsOfTicks,
    Book,
    Continuous,
    Daily,
    Dominant,
    Instruments,
    Latest,
    Listing,
    Names,
    Products,
    Question,
    Records,
    Search,
    Sessions,
    Statistics,
    StoreQuestion,
    Symbols,
    continued,
    decode_question,
    encode_answer,
    encode_failure,
    is_truncated,
    next_of,
)
from marketprism_application.contracts.rows import chosen_fields, flat_levels
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.checks import (
    by_activity,
    check_instrument,
    check_names,
    check_range,
    checked,
    kind_of,
)
from marketprism_application.queries.derived_bars import ReadRules, bars
from marketprism_application.queries.listing_cache import ListingReader
from marketprism_application.queries.many_instruments import answer_of_many, checked_many
from marketprism_application.queries.name_cache import NamesReader
from marketprism_application.queries.paging import of_venue, page, up_to
from marketprism_application.queries.reading import Reading
from marketprism_application.queries.reference_answers import (
    answer_continuous,
    answer_dominant,
    answer_instruments,
    answer_products,
    answer_search,
    answer_sessions,
)
from marketprism_application.queries.symbol_names import NameIndex, is_several
from marketprism_application.queries.tier_notes import NotedReader
from marketprism_application.queries.trading_days import by_session, with_days
from marketprism_domain.instruments.written_names import is_pattern, venue_named
from marketprism_domain.values import Interval

if TYPE_CHECKING:
    import pyarrow as pa

_PARALLEL = 8
_SMALL = 1_000  # rows
_DAY_NS = 86_400 * 10**9
_LOOK_BACK_DAYS = (1, 10, None)


async def answer_question(
    store: StoreReader,
    question: Question,
    rules: ReadRules | None = None,
    names: NamesReader | None = None,
    listing: ListingReader | None = None,
) -> pa.Table:
    """Answer of one question. With rules, days say how complete they are, intervals that are not stored are made, and
    an instrument of which nothing is stored is an error. Over an archive the answer says where its rows lay
    (`tiers_of`). `names`: who keeps the names of what is stored, `listing`: who
    keeps the list of the instruments; without, the store is asked where they are needed.

    Raises:
        QueryError, StoreError.
    """
    names, listing = names or NamesReader(store), listing or ListingReader(store)
    noted = NotedReader(store)
    return noted.mark(await HANDLERS[type(question)](Reading(noted, rules, names.index, listing.known), question))


async def _stored(reading: Reading, question: StoreQuestion) -> pa.Table:
    """What the store answers by itself."""
    return await reading.store.answer(question)


async def _audit(reading: Reading, question: Audit) -> pa.Table:
    check_names(question.sources)
    return await reading.store.answer(question)


async def _latest(reading: Reading, question: Latest) -> pa.Table:
    kind_of(question.kind)
    check_names(question.symbols)
    for symbol in question.symbols:
        check_instrument(symbol, None)
    found = await reading.store.answer(question)
    if reading.rules is None:
        return found
    missing = set(question.symbols) - set(found.column("symbol").to_pylist())
    if not missing:
        return found
    names = await reading.names()

    def each() -> list[str]:
        unknown = {symbol for symbol in missing if not names.venues_of(symbol)}
        return [names.resolve(symbol).symbol if symbol in unknown else symbol for symbol in question.symbols]

    meant = await asyncio.to_thread(each)
    if meant == list(question.symbols):
        return found
    return await reading.store.answer(Latest(question.kind, tuple(dict.fromkeys(meant))))


async def _daily(reading: Reading, question: Daily) -> pa.Table:
    from marketprism_application.queries.daily import with_completeness  # noqa: PLC0415 (loads pyarrow)

    async def days(asked: Daily) -> pa.Table:
        found = await reading.store.answer(asked)
        return found if reading.rules is None else with_completeness(found, reading.rules.calendar)

    check_instrument(question.symbol, None)
    check_range(question.ts_from, question.ts_to)
    return await _named(reading, with_days(question), days)


async def _statistics(reading: Reading, question: Statistics) -> pa.Table:
    from marketprism_application.queries.statistics import with_vwap  # noqa: PLC0415 (loads pyarrow)

    async def sums(asked: Statistics) -> pa.Table:
        found = await reading.store.answer(asked)
        return found if reading.rules is None else with_vwap(found)

    check_instrument(question.symbol, None)
    check_range(question.ts_from, question.ts_to)
    return await _named(reading, with_days(question), sums)


async def _bars_of_ticks(reading: Reading, question: BarsOfTicks) -> pa.Table:
    check_instrument(question.symbol, question.venue)
    return await reading.store.answer(question)


async def _minute_spans(reading: Reading, question: MinuteSpans) -> pa.Table:
    check_instrument(question.symbol, question.venue)
    check_range(question.ts_from, question.ts_to)
    if not 1 <= question.limit <= MAX_LIMIT:
        raise QueryError(f"limit: expected 1 to {MAX_LIMIT}, was {question.limit}")
    if question.width_ns < 1:
        raise QueryError(f"width_ns: expected at least 1, was {question.width_ns}")
    return await reading.store.answer(question)


async def _of_many(reading: Reading, question: OverviewQuestion) -> pa.Table:
    if reading.rules is None:
        return await reading.store.answer(checked_many(question))
    return await answer_of_many(reading.store, reading.rules, reading.names, question)


async def _book(reading: Reading, question: Book) -> pa.Table:
    """The days before the instant are looked at first, and everything only where they hold nothing."""
    end = None if question.at is None else question.at + 1
    if question.venue is not None:
        question = msgspec.structs.replace(question, venue=venue_named(question.venue))
    checked(Records(TICK.name, question.symbol, question.venue, ts_to=end))

    async def stood(asked: Book) -> pa.Table:
        for days in _LOOK_BACK_DAYS if end is not None else (None,):
            start = None if days is None or end is None else max(0, end - days * _DAY_NS)
            newest = Records(TICK.name, asked.symbol, asked.venue, start, end, limit=1, last=True)
            found = await reading.store.answer(newest)
            if found.num_rows:
                break
        return found

    return await _named(reading, question, stood)


async def _records(reading: Reading, question: Records) -> pa.Table:
    if question.venue is not None:
        question = msgspec.structs.replace(question, venue=venue_named(question.venue))
    asked = with_days(msgspec.structs.replace(question, fields=(), levels=0))
    if question.made_of not in ("", "ticks"):
        raise QueryError(f"made_of: expected ticks, was {question.made_of[:80]!r}")
    if not 0 <= question.levels <= MAX_DEPTH:
        raise QueryError(f"levels: expected 0 to {MAX_DEPTH}, was {question.levels}")
    if reading.rules is None:
        found = await reading.store.answer(checked(asked))
    elif not asked.symbol and not kind_of(asked.kind).is_of_instruments:
        found = await _of_one(reading, checked(asked))
    elif is_several(asked.symbol):
        found = await _of_several(reading, asked)
    else:
        found = await _named(reading, checked(asked), lambda query: _of_one(reading, query))
    if not question.fields and not question.levels:
        return found
    return shaped(found, question.fields, question.levels)


def shaped(table: pa.Table, fields: Sequence[str], levels: int) -> pa.Table:
    """The table with so many levels of its books as columns, none for 0, and then of its columns those that are wanted.

    Raises:
        QueryError: a column that is none.
    """
    try:
        return chosen_fields(flat_levels(table, levels) if levels else table, fields)
    except ValueError as error:
        raise QueryError(str(error)) from error


async def _of_several(reading: Reading, question: Records) -> pa.Table:
    """Records of several instruments; where there are more of any, a page ends for all of them where its page ends."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    names = await reading.names()

    async def known() -> NameIndex:
        return names

    reading = reading._replace(names=known)  # all of them look names up in the same
    symbols = await asyncio.to_thread(names.symbols_of, question.symbol, question.venue)
    if is_pattern(question.symbol):  # whoever asks does not know how many it means
        question = msgspec.structs.replace(question, limit=min(question.limit, MAX_LIMIT // len(symbols)))
    if len(symbols) * question.limit > max(MAX_LIMIT, question.limit):
        raise QueryError(f"limit: expected at most {MAX_LIMIT // len(symbols)} for {len(symbols)} symbols")
    room = asyncio.Semaphore(_PARALLEL)

    async def one(symbol: str) -> pa.Table:
        async with room:
            asked = checked(msgspec.structs.replace(question, symbol=symbol))
            return await _named(reading, asked, lambda query: _of_one(reading, query))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(symbol)) for symbol in symbols]
    except BaseExceptionGroup as several:
        raise _first_of(several) from several
    tables = [task.result() for task in tasks]
    ends = [key for table in tables if (key := next_of(table)) is not None]
    more = any(is_truncated(table) for table in tables)
    kind = KINDS[question.kind]
    if ends:
        # Rows behind the first end come again with the next page, which begins there for every instrument.
        tables = await asyncio.to_thread(lambda: [up_to(kind, table, min(ends)) for table in tables])
    found = pa.concat_tables([table for table in tables if table.num_rows] or tables[:1]).replace_schema_metadata(None)
    return continued(found, min(ends) if ends else None) if more else found


def _first_of(error: BaseException) -> BaseException:
    """Of errors that came together the first: a caller is answered with one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _of_one(reading: Reading, question: Records) -> pa.Table:
    from marketprism_application.queries.activity_bars import activity_bars  # noqa: PLC0415 (loads pyarrow)
    from marketprism_application.queries.bars_from_ticks import bars_of_ticks  # noqa: PLC0415 (loads pyarrow)

    rules = reading.rules
    if rules is None:
        return await reading.store.answer(question)
    if question.from_day or question.to_day:
        at = {question.venue} if question.venue is not None else (await reading.names()).venues_of(question.symbol)
        question = by_session(question, rules.calendar, at)
    if question.kind != BAR.name:
        return await page(reading.store, question)
    if by_activity(str(question.interval)):
        return await activity_bars(reading.store, question, rules)
    if question.made_of or not _from_bars(question, rules):
        if question.as_of is not None:
            kept = ", ".join(rules.intervals)
            raise QueryError(
                f"as_of: expected an interval that is stored or made of minutes ({kept}), since others are "
                f"made of ticks, was {question.interval}"
            )
        return await bars_of_ticks(reading.store, question, rules)
    return await bars(reading.store, question, rules)


OfSymbol = TypeVar("OfSymbol", Records, Daily, Statistics, Book)


async def _named(reading: Reading, question: OfSymbol, work: Callable[[OfSymbol], Awaitable[pa.Table]]) -> pa.Table:
    """The answer about the instrument that a symbol means. Only where the symbol as it is written has no rows are names
    looked up, so that it costs nothing to write it right.

    Raises:
        UnknownSymbolError: nothing is stored that it could mean. QueryError: the instrument is at no such venue.
    """
    found = await work(question)
    if found.num_rows or reading.rules is None:
        return found
    names, venue = await reading.names(), getattr(question, "venue", None)
    if names.venues_of(question.symbol):
        names.check_venue(question.symbol, venue)
        return found
    meant = await asyncio.to_thread(names.resolve, question.symbol, venue)
    changed = {"symbol": meant.symbol}
    if meant.venue and not isinstance(question, Daily | Statistics):
        changed["venue"] = meant.venue
    found = await work(msgspec.structs.replace(question, **changed))
    if meant.venue and isinstance(question, Daily | Statistics):
        return await asyncio.to_thread(of_venue, found, meant.venue)
    return found


HANDLERS: dict[type[Question], Callable[[Reading, Any], Awaitable[pa.Table]]] = {
    Records: _records,
    Latest: _latest,
    Symbols: _stored,
    Names: _stored,
    BarSeries: _stored,
    MinuteSpans: _minute_spans,
    Listing: _stored,
    Search: answer_search,
    Products: answer_products,
    Audit: _audit,
    Daily: _daily,
    Statistics: _statistics,
    Instruments: answer_instruments,
    BarsOfTicks: _bars_of_ticks,
    Book: _book,
    Dominant: answer_dominant,
    Continuous: answer_continuous,
    Sessions: answer_sessions,
    **dict.fromkeys(get_args(OverviewQuestion), _of_many),
}


def _from_bars(query: Records, rules: ReadRules) -> bool:
    """Whether stored bars can make the interval: it is stored, or is whole minutes of which minutes are stored."""
    interval = Interval.parse(str(query.interval))
    return str(interval) in rules.intervals or ("1m" in rules.intervals and interval.seconds % 60 == 0)


class Answered(NamedTuple):
    """A question that was answered: its kind, rows of the answer, the code of a failure (empty where it is none)."""

    question: str
    rows: int
    code: str
    seconds: float


async def answer(
    store: StoreReader,
    data: bytes,
    rules: ReadRules | None = None,
    names: NamesReader | None = None,
    listing: ListingReader | None = None,
    on_answered: Callable[[Answered], None] = lambda _: None,
) -> bytes:
    """Bytes in, bytes out: a question's answer or its failure; never raises for what a caller sent."""
    kind, begun = "none", time.perf_counter()

    def tell(rows: int, code: str) -> None:
        on_answered(Answered(kind, rows, code, time.perf_counter() - begun))

    try:
        question = decode_question(data)
        kind = type(question).__name__
        found = await answer_question(store, question, rules, names, listing)
        tell(found.num_rows, "")
        # In a thread: packing a large one takes longer than a heartbeat may wait.
        return encode_answer(found) if found.num_rows < _SMALL else await asyncio.to_thread(encode_answer, found)
    except ApplicationError as error:
        tell(0, error.code)
        return encode_failure(Failure(error.code, str(error), error.retryable))
    except ValueError as error:
        tell(0, Code.INVALID_PARAMETER)
        return encode_failure(Failure(Code.INVALID_PARAMETER, str(error)))
