"""A product's main contract over time, and its bars in one line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import msgspec
import pyarrow as pa

from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    Instruments,
    InstrumentSearch,
    Records,
    Symbols,
    is_truncated,
    next_of,
)
from marketprism_application.contracts.rows import Row
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.derived_bars import ReadRules, bars
from marketprism_application.queries.paging import is_behind, paged
from marketprism_domain.bars.contract_rolls import ADJUSTMENTS, Adjustment, ContractDay, Roll, adjustments, rolls
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import is_future, product_of
from marketprism_domain.sessions.exchange_hours import venue_of

_DECIMAL = pa.decimal128(38, 18)
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("trading_day", pa.string()),
    ("symbol", pa.string()),
    ("previous", pa.string()),
    ("previous_close", _DECIMAL),
    ("close", _DECIMAL),
]
ROLLS = pa.schema(_FIELDS)
_PRICES = ("open", "high", "low", "close")
_PLACES = Decimal("1e-10")
_PARALLEL = 8
_FUTURE = "future"
_UNMOVED = Adjustment(Decimal(1), Decimal(0))


async def dominant(reader: StoreReader, product: str) -> pa.Table:
    """When which contract of a product became the main one: `ROLLS`, oldest first.

    Raises:
        QueryError: nothing is stored of a future of this product.
    """
    found = await _rolls(reader, product)
    return pa.Table.from_pylist([roll._asdict() for roll in found], ROLLS)


async def continuous(reader: StoreReader, product: str, query: Records, adjust: str, rules: ReadRules) -> pa.Table:
    """Bars of the main contracts one after another; `symbol` says whose each is.

    Prices before a change are moved so that they meet those after it: by `difference`, by `ratio`, or by `none`.

    Raises:
        QueryError: as `dominant`, an adjustment that is none, or a product whose exchange nobody knows.
    """
    adjust = adjust or "none"
    if adjust not in ADJUSTMENTS:
        raise QueryError(f"adjust: expected one of {', '.join(ADJUSTMENTS)}, was {adjust[:80]!r}")
    found = await _rolls(reader, product)
    moves = adjustments(found, adjust)
    rows: list[Row] = []
    numbers = range(len(found))
    more = False
    for number in reversed(numbers) if query.last else numbers:
        part = _part(found, number, query, rules)
        if part is None:
            continue
        async for table in _bars(reader, part, rules):
            found_rows = await asyncio.to_thread(table.to_pylist)
            if query.after is not None:  # a part begins with the last row of the page before
                found_rows = [row for row in found_rows if is_behind(BAR, row, query.after)]
            rows += _moved(found_rows, moves[number])
            more = query.last and is_truncated(table)
            if len(rows) > query.limit:
                break
        if more or len(rows) > query.limit:
            break
    return paged(BAR, rows, schema_of(BAR.name), query, more=more)


def _part(found: Sequence[Roll], number: int, query: Records, rules: ReadRules) -> Records | None:
    """Bars of one main contract for as long as it was that; None where the query wants none of them."""
    roll = found[number]
    schedule = rules.calendar.schedule(_venue(roll.symbol, query.symbol, query.venue), roll.symbol)
    after = found[number + 1] if number + 1 < len(found) else None
    end = schedule.sessions(after.trading_day)[0].ts_open if after is not None else None
    begin = max(schedule.sessions(roll.trading_day)[0].ts_open, query.ts_from or 0)
    if query.after is not None:
        begin = max(begin, int(query.after[0]))
    until = _earlier(end, query.ts_to)
    if until is not None and until <= begin:
        return None
    limit = min(MAX_LIMIT, query.limit + 1)
    return msgspec.structs.replace(query, symbol=roll.symbol, ts_from=begin, ts_to=until, limit=limit, after=None)


async def _bars(reader: StoreReader, part: Records, rules: ReadRules) -> AsyncIterator[pa.Table]:
    """Every page of a part, oldest first; of the newest one page."""
    while True:
        table = await bars(reader, part, rules)
        yield table
        key = next_of(table)
        if key is None:
            return
        part = msgspec.structs.replace(part, after=key)


def _moved(rows: list[Row], moved: Adjustment) -> list[Row]:
    if moved != _UNMOVED:
        for row in rows:
            for name in _PRICES:
                row[name] = (row[name] * moved.factor + moved.shift).quantize(_PLACES)
    return rows


def _venue(symbol: str, product: str, named: str | None) -> str:
    """The exchange that lists a contract; where its product is not a known one, the one that the query names."""
    venue = venue_of(symbol) or named
    if venue is None:
        raise QueryError(f"product: expected one whose exchange is known, or a venue with it, was {product[:80]!r}")
    return venue


def _earlier(first: int | None, second: int | None) -> int | None:
    return min((value for value in (first, second) if value is not None), default=None)


async def _rolls(reader: StoreReader, product: str) -> list[Roll]:
    listed = (
        await reader.answer(Instruments(InstrumentSearch(product=product, class_=_FUTURE, limit=MAX_LIMIT)))
    ).to_pylist()
    symbols = sorted({row["symbol"] for row in listed})
    if not symbols:
        stored = (await reader.answer(Symbols())).to_pylist()
        symbols = sorted({row["symbol"] for row in stored if product_of(row["symbol"]) == product})
    # Contracts of products of their own (month averages, trades at settlement), combinations and options lead nothing.
    symbols = [symbol for symbol in symbols if is_future(symbol) and product_of(symbol) == product]
    room = asyncio.Semaphore(_PARALLEL)

    async def one(symbol: str) -> list[ContractDay]:
        async with room:
            table = await reader.answer(Records(BAR.name, symbol, interval="1d", limit=MAX_LIMIT))
        return [
            ContractDay(symbol, row["trading_day"], row["close"], row["volume"], row["open_interest"])
            for row in table.to_pylist()
        ]

    days = [day for found in await asyncio.gather(*map(one, symbols)) for day in found]
    if not days:
        stored = (await reader.answer(Symbols())).to_pylist()
        products = {product_of(row["symbol"]) for row in stored if is_future(row["symbol"])}
        near = did_you_mean(product_of(product), sorted(products))
        raise QueryError(f"product: expected one with stored day bars of its futures, was {product[:80]!r}{near}")
    try:
        return rolls(days)
    except InvalidValue as error:
        raise QueryError(str(error)) from error
