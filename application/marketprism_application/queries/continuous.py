"""A product's main contract over time, and its bars in one line."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import MAX_LIMIT, Instruments, InstrumentSearch, Records, Symbols
from marketprism_application.errors import QueryError
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.derived_bars import ReadRules, bars
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
    rows: list[dict[str, Any]] = []
    schema: pa.Schema | None = None
    for number, (roll, moved) in enumerate(zip(found, adjustments(found, adjust), strict=True)):
        schedule = rules.calendar.schedule(_venue(roll.symbol, product, query.venue), roll.symbol)
        start = schedule.sessions(roll.trading_day)[0].ts_open
        after = found[number + 1] if number + 1 < len(found) else None
        end = schedule.sessions(after.trading_day)[0].ts_open if after is not None else None
        begin, until = max(start, query.ts_from or 0), _earlier(end, query.ts_to)
        part = msgspec.structs.replace(query, symbol=roll.symbol, ts_from=begin, ts_to=until, limit=MAX_LIMIT)
        if part.ts_to is not None and part.ts_to <= (part.ts_from or 0):
            continue
        table = await bars(reader, part, rules)
        schema = schema or table.schema
        for row in await asyncio.to_thread(table.to_pylist):
            for name in _PRICES:
                if moved != _UNMOVED:
                    row[name] = (row[name] * moved.factor + moved.shift).quantize(_PLACES)
            rows.append(row)
        if len(rows) >= query.limit and not query.last:
            break
    kept = rows[-query.limit :] if query.last else rows[: query.limit]
    return pa.Table.from_pylist(kept, schema) if schema is not None else pa.table({})


def _venue(symbol: str, product: str, named: str | None) -> str:
    """The exchange that lists a contract; where its product is not a known one, the one that the query names."""
    venue = venue_of(symbol) or named
    if venue is None:
        raise QueryError(f"product: expected one whose exchange is known, or a venue with it, was {product[:80]!r}")
    return venue


def _earlier(first: int | None, second: int | None) -> int | None:
    return min((value for value in (first, second) if value is not None), default=None)


async def _rolls(reader: StoreReader, product: str) -> list[Roll]:
    listed = (await reader.answer(Instruments(InstrumentSearch(product=product, limit=MAX_LIMIT)))).to_pylist()
    symbols = sorted({row["symbol"] for row in listed if row["class_"] == "future"})
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
        raise QueryError(f"product: expected one with stored day bars of its futures, was {product[:80]!r}")
    try:
        return rolls(days)
    except InvalidValue as error:
        raise QueryError(str(error)) from error
