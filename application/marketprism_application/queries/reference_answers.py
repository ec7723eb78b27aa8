"""Answers about what there is: instruments and their terms, searches, products, main contracts, sessions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import (
    Continuous,
    Dominant,
    Instruments,
    Products,
    Records,
    Search,
    Sessions,
)
from marketprism_application.errors import QueryError
from marketprism_application.queries.checks import (
    check_instrument,
    check_range,
    check_search,
    check_text_search,
    checked,
)
from marketprism_application.queries.paging import page_of_instruments
from marketprism_application.queries.reading import Reading
from marketprism_application.queries.trading_days import with_days
from marketprism_domain.instruments.written_names import venue_named

if TYPE_CHECKING:
    import pyarrow as pa


async def answer_instruments(reading: Reading, question: Instruments) -> pa.Table:
    search = question.search._replace(venue=venue_named(question.search.venue))
    check_search(search)
    question = msgspec.structs.replace(question, search=search)
    if reading.rules is None:
        return await reading.store.answer(question)
    return await page_of_instruments(reading.store, question)


async def answer_search(reading: Reading, question: Search) -> pa.Table:
    asked = msgspec.structs.replace(question, venue=venue_named(question.venue))
    check_text_search(asked)
    return await asyncio.to_thread((await reading.listing()).found, asked)


async def answer_products(_: Reading, __: Products) -> pa.Table:
    from marketprism_application.queries.product_table import products  # noqa: PLC0415 (loads pyarrow)

    return products()


async def answer_dominant(reading: Reading, question: Dominant) -> pa.Table:
    from marketprism_application.queries.continuous import dominant  # noqa: PLC0415 (loads pyarrow)

    check_instrument(question.product, None)
    return await dominant(reading.store, await _product(reading, question.product))


async def answer_continuous(reading: Reading, question: Continuous) -> pa.Table:
    from marketprism_application.queries.continuous import continuous  # noqa: PLC0415 (loads pyarrow)

    if reading.rules is None:
        raise QueryError("method: expected a question that this service answers, was 'continuous'")
    asked = with_days(question)
    check_instrument(asked.product, None)
    product = await _product(reading, asked.product)
    query = Records(
        BAR.name,
        product,
        None if asked.venue is None else venue_named(asked.venue),
        asked.ts_from,
        asked.ts_to,
        asked.interval,
        asked.limit,
        asked.after,
        asked.last,
        from_day=asked.from_day,
        to_day=asked.to_day,
    )
    return await continuous(reading.store, product, checked(query), question.adjust, reading.rules)


async def answer_sessions(reading: Reading, question: Sessions) -> pa.Table:
    from marketprism_application.queries.trading_sessions import check_days, sessions_of  # noqa: PLC0415 (pyarrow)

    rules = reading.rules
    if rules is None:
        raise QueryError("method: expected a question that this service answers, was 'sessions'")
    venue = None if question.venue is None else venue_named(question.venue)
    check_instrument(question.symbol, venue)
    check_range(question.ts_from, question.ts_to)
    asked = check_days(msgspec.structs.replace(question, venue=venue))
    names = await reading.names()
    if not names.venues_of(asked.symbol):
        meant = await asyncio.to_thread(names.resolve, asked.symbol, venue)
        asked = msgspec.structs.replace(asked, symbol=meant.symbol, venue=meant.venue or venue)
    names.check_venue(asked.symbol, asked.venue)
    at = names.venues_of(asked.symbol) if asked.venue is None else {asked.venue}
    return sessions_of(asked, rules.calendar, at, rules.now_ns())


async def _product(reading: Reading, text: str) -> str:
    if reading.rules is None:
        return text
    return await asyncio.to_thread((await reading.names()).product_meant, text)
