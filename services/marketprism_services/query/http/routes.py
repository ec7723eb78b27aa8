"""The read API over HTTP: `GET /api/v1/…`, a row a question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiohttp import web

from marketprism_adapters.http.caller_limits import Callers
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, PATHS, TICK, DataKind
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    Book,
    Continuous,
    Daily,
    Dominant,
    Instruments,
    InstrumentSearch,
    Question,
    Records,
    Statistics,
    Symbols,
)
from marketprism_application.errors import QueryError
from marketprism_services.query.http.parameters import (
    BookParameters,
    ContinuousParameters,
    InstrumentParameters,
    PageParameters,
    Parameters,
    RangeParameters,
    RecordsParameters,
)
from marketprism_services.query.http.rendering import enveloped

if TYPE_CHECKING:
    import pyarrow as pa

Ask = Callable[[Question], Awaitable["pa.Table"]]
_PARALLEL = 8
_BOOK = ("venue", "symbol", "ts_event", "ts_recv", "seq", "trading_day", "last", "bids", "asks", "phase")


class Route(NamedTuple):
    """One question's route: what it is called, what its request holds, and the question that it is.

    `rows` is what the answer's rows hold, None for what no other page needs to know; of a schema what gives it, which
    loads pyarrow. `columns` chooses of them.
    """

    path: str
    summary: str
    parameters: type[Parameters]
    asks: type[Question]
    question: Callable[[Any], Question]
    rows: Callable[[], pa.Schema] | DataKind | None = None
    columns: tuple[str, ...] | None = None


def _day_columns() -> pa.Schema:
    from marketprism_application.queries.daily import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


def _roll_columns() -> pa.Schema:
    from marketprism_application.queries.continuous import ROLLS  # noqa: PLC0415 (loads pyarrow)

    return ROLLS


def _statistics_columns() -> pa.Schema:
    from marketprism_application.queries.statistics import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


ROUTES = (
    Route("/api/v1/symbols", "What is stored.", Parameters, Symbols, lambda _: Symbols()),
    Route(
        "/api/v1/instruments",
        "Contract terms of the instruments found, the newest of each.",
        InstrumentParameters,
        Instruments,
        lambda asked: Instruments(
            InstrumentSearch(asked.search, asked.venue, asked.product, asked.class_, asked.limit, asked.at or 0)
        ),
        INSTRUMENT,
    ),
    Route(
        "/api/v1/orderbook/{symbol}",
        "The book as it stood at an instant, by the newest stored tick.",
        BookParameters,
        Book,
        lambda asked: Book(asked.symbol, asked.venue, asked.at),
        TICK,
        _BOOK,
    ),
    Route(
        "/api/v1/daily/{symbol}",
        "Trading days of an instrument: ticks, prices, volume, bars, gaps, and how complete each is.",
        RangeParameters,
        Daily,
        lambda asked: Daily(asked.symbol, asked.from_, asked.to),
        _day_columns,
    ),
    Route(
        "/api/v1/coverage/{symbol}",
        "As daily.",
        RangeParameters,
        Daily,
        lambda asked: Daily(asked.symbol, asked.from_, asked.to),
        _day_columns,
    ),
    Route(
        "/api/v1/dominant/{symbol}",
        "When which contract of a product became the main one.",
        RangeParameters,
        Dominant,
        lambda asked: Dominant(asked.symbol),
        _roll_columns,
    ),
    Route(
        "/api/v1/continuous/{symbol}",
        "Bars of a product's main contracts in one line.",
        ContinuousParameters,
        Continuous,
        lambda asked: Continuous(
            asked.symbol, asked.venue, asked.from_, asked.to, asked.interval, asked.limit, asked.last, asked.adjust
        ),
        BAR,
    ),
    Route(
        "/api/v1/statistics/{symbol}",
        "Prices, volume, turnover and VWAP over the minute bars of a range, a row per venue.",
        RangeParameters,
        Statistics,
        lambda asked: Statistics(asked.symbol, asked.from_, asked.to),
        _statistics_columns,
    ),
)


class ReadApi:
    """Routes over `ask`, which answers one question."""

    def __init__(self, ask: Ask, callers: Callers) -> None:
        self._ask = ask
        self._callers = callers

    def routes(self) -> list[web.RouteDef]:
        """What is served; the streamed forms are in `streaming`."""
        return [
            *(web.get(route.path, self._of(self._answers(route))) for route in ROUTES),
            web.get(f"/api/v1/{{kind:{'|'.join(PATHS)}}}/{{symbols}}", self._of(self._records)),
        ]

    def _of(self, work: Callable[[web.Request], Awaitable[pa.Table]]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            return await enveloped(request, lambda: self._callers.serve(request, lambda: work(request)))

        return handle

    def _answers(self, route: Route) -> Callable[[web.Request], Awaitable[pa.Table]]:
        async def work(request: web.Request) -> pa.Table:
            found = await self._ask(route.question(route.parameters.of(request)))
            return found if route.columns is None else found.select(list(route.columns))

        return work

    async def _records(self, request: web.Request) -> pa.Table:
        """One or several instruments; of several, each has the limit for itself."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        asked = RecordsParameters.of(request)
        symbols = asked.symbols
        if len(symbols) * asked.limit > max(MAX_LIMIT, asked.limit):
            raise QueryError(f"limit: expected at most {MAX_LIMIT // len(symbols)} for {len(symbols)} symbols")
        page = page_of(asked, PATHS[request.match_info["kind"]], symbols[0], asked.limit)
        if len(symbols) == 1:
            return await self._ask(page)
        room = asyncio.Semaphore(_PARALLEL)

        async def one(symbol: str) -> pa.Table:
            async with room:
                return await self._ask(msgspec.structs.replace(page, symbol=symbol))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(symbol)) for symbol in symbols]
        tables = [task.result() for task in tasks]
        return pa.concat_tables([table for table in tables if table.num_rows] or tables[:1])


def page_of(asked: PageParameters, kind: DataKind, symbol: str, limit: int) -> Records:
    """The page of records that a request asks for; what its kind does not have is not asked for."""
    return Records(
        kind.name,
        symbol,
        asked.venue,
        asked.from_,
        asked.to,
        asked.interval if kind.has_interval else None,
        limit,
        asked.after,
        asked.last,
        asked.made_of if kind is BAR else "",
    )
