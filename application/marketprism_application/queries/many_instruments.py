"""Questions about many instruments at once: which ones, how many an answer has, and what the calendar adds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar, assert_never

import msgspec

from marketprism_application.contracts.kinds import INSTRUMENT
from marketprism_application.contracts.overview_questions import (
    MOST_DAYS,
    MOST_INSTRUMENTS,
    Coverage,
    GapLedger,
    OfMany,
    OverviewQuestion,
    QualityOverview,
)
from marketprism_application.contracts.questions import MAX_LIMIT, Latest, continued
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.checks import check_instrument, check_names, check_range
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.symbol_names import NameIndex, StoredName
from marketprism_application.queries.trading_days import with_days
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.sessions.trading_days import day_of

if TYPE_CHECKING:
    import pyarrow as pa

    from marketprism_application.queries.coverage import Term

Names = Callable[[], Awaitable[NameIndex]]
Asked = TypeVar("Asked", bound=OverviewQuestion)
_MOST_NAMES = 1_000  # of a statement


def checked_many(question: Asked) -> Asked:
    """The question, if it can be answered, with its days as YYYYMMDD and its venue as it is stored.

    Raises:
        QueryError: names the field, what was expected and what it was.
    """
    if question.venue is not None:
        question = msgspec.structs.replace(question, venue=venue_named(question.venue))
        check_instrument("any", question.venue)
    check_names(question.names)
    check_range(question.ts_from, question.ts_to)
    most = MAX_LIMIT if isinstance(question, GapLedger) else MOST_INSTRUMENTS
    if not 1 <= question.limit <= most:
        raise QueryError(f"limit: expected 1 to {most}, was {question.limit}")
    if isinstance(question, Coverage) and not 1 <= question.days <= MOST_DAYS:
        raise QueryError(f"days: expected 1 to {MOST_DAYS}, was {question.days}")
    if isinstance(question, QualityOverview) and question.width_ns < 1:
        raise QueryError(f"width_ns: expected at least 1, was {question.width_ns}")
    return with_days(question)


async def answer_of_many(store: StoreReader, rules: ReadRules, names: Names, question: OverviewQuestion) -> pa.Table:
    """The answer of one of these questions, as its class says.

    Raises:
        QueryError, StoreError.
    """
    match question:
        case Coverage():
            return await _coverage(store, rules, names, question)
        case GapLedger():
            return await _gap_ledger(store, rules, names, question)
        case QualityOverview():
            return await _quality_overview(store, rules, names, question)
        case _:
            assert_never(question)


async def _coverage(store: StoreReader, rules: ReadRules, names: Names, question: Coverage) -> pa.Table:
    from marketprism_application.queries import coverage  # noqa: PLC0415 (loads pyarrow)

    asked = checked_many(question)
    if asked.from_day is not None and asked.to_day is not None:
        days = (day_of(asked.to_day) - day_of(asked.from_day)).days + 1
        if days > MOST_DAYS:
            raise QueryError(f"to_day: expected at most {MOST_DAYS} days from from_day on, was {question.to_day}")
        asked = msgspec.structs.replace(asked, limit=min(asked.limit, max(1, MAX_LIMIT // days)))
    chosen, key = await _page(names, asked)
    if not chosen:
        return coverage.COLUMNS.empty_table()
    symbols = tuple(sorted({name.symbol for name in chosen}))
    found = await store.answer(msgspec.structs.replace(asked, names=symbols))
    terms = await _terms(store, symbols)
    now_ns = rules.now_ns()

    def fill() -> pa.Table:
        today = rules.calendar.schedule(chosen[0].venue, chosen[0].symbol).trading_day_of(now_ns)
        days = coverage.day_range(found, asked, today)
        if days is None:
            return coverage.COLUMNS.empty_table()
        pairs = [(name.venue, name.symbol) for name in chosen]
        if asked.from_day is None:
            pairs = coverage.with_data(found, pairs, days)
        return coverage.filled(found, pairs, days, rules.calendar, terms, now_ns)

    table = await asyncio.to_thread(fill)
    return table if key is None else continued(table, key)


async def _terms(store: StoreReader, symbols: tuple[str, ...]) -> dict[tuple[str, str], Term]:
    from marketprism_application.queries.coverage import Term  # noqa: PLC0415 (loads pyarrow)

    table = await store.answer(Latest(INSTRUMENT.name, symbols))
    columns = [table.column(name).to_pylist() for name in ("venue", "symbol", "list_day", "expire_day")]
    return {(venue, symbol): Term(first or "", last or "") for venue, symbol, first, last in zip(*columns, strict=True)}


async def _gap_ledger(store: StoreReader, rules: ReadRules, names: Names, question: GapLedger) -> pa.Table:
    from marketprism_application.queries import gap_ledger  # noqa: PLC0415 (loads pyarrow)

    asked = checked_many(question)
    if asked.symbol.strip() != "*" or asked.product:
        chosen = await _listed(names, asked)
        if not chosen:
            return gap_ledger.COLUMNS.empty_table()
        symbols = tuple(sorted({name.symbol for name in chosen}))
        if len(symbols) > _MOST_NAMES:
            raise QueryError(f"symbol: expected one of at most {_MOST_NAMES} instruments, was {len(symbols)}")
        asked = msgspec.structs.replace(asked, names=symbols)
    limit = min(asked.limit, MAX_LIMIT - 1)
    found = await store.answer(msgspec.structs.replace(asked, limit=limit + 1))
    shown = found.slice(0, limit)
    table = await asyncio.to_thread(gap_ledger.with_bars, shown, rules.calendar)
    if found.num_rows <= limit:
        return table
    return continued(table, tuple(shown.column(name)[-1].as_py() for name in gap_ledger.KEY))


async def _quality_overview(store: StoreReader, rules: ReadRules, names: Names, question: QualityOverview) -> pa.Table:
    from marketprism_application.queries import quality_overview  # noqa: PLC0415 (loads pyarrow)

    width = quality_overview.width_for(question.ts_from, question.ts_to, rules.now_ns())
    asked = checked_many(msgspec.structs.replace(question, width_ns=max(width, question.width_ns)))
    chosen, key = await _page(names, asked)
    if not chosen:
        return quality_overview.COLUMNS.empty_table()
    symbols = tuple(sorted({name.symbol for name in chosen}))
    found = await store.answer(msgspec.structs.replace(asked, names=symbols))
    table = await asyncio.to_thread(_of_page, found, {(name.venue, name.symbol) for name in chosen})
    return table if key is None else continued(table, key)


async def _page(names: Names, asked: OfMany) -> tuple[list[StoredName], tuple[str, str] | None]:
    """The instruments of a page, and its last one where there are more."""
    listed = await _listed(names, asked)
    if asked.after is not None:
        listed = [name for name in listed if (name.venue, name.symbol) > tuple(asked.after)]
    chosen = listed[: asked.limit]
    return chosen, (chosen[-1].venue, chosen[-1].symbol) if len(listed) > len(chosen) else None


async def _listed(names: Names, asked: OfMany) -> list[StoredName]:
    index = await names()
    return await asyncio.to_thread(index.listed, asked.symbol, asked.venue, asked.product)


def _of_page(table: pa.Table, chosen: set[tuple[str, str]]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    pairs = zip(*(table.column(name).to_pylist() for name in ("venue", "symbol")), strict=True)
    return table.filter(pa.array([pair in chosen for pair in pairs], pa.bool_()))
