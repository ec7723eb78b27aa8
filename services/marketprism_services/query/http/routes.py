"""The read API over HTTP: `GET /api/v1/…`, a row a question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

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
from marketprism_services.query.http.parameters import FormatParameters
from marketprism_services.query.http.rendering import enveloped
from marketprism_services.query.http.requests import (
    BookParameters,
    ContinuousParameters,
    InstrumentParameters,
    PageParameters,
    RangeParameters,
    RecordsParameters,
    SymbolParameters,
    records_parameters,
)

if TYPE_CHECKING:
    import pyarrow as pa

Ask = Callable[[Question], Awaitable["pa.Table"]]
P = TypeVar("P", bound=FormatParameters)
_BOOK = ("venue", "symbol", "ts_event", "ts_recv", "seq", "trading_day", "last", "bids", "asks", "phase")


class Route(NamedTuple):
    """One question's route: what it is called, what its request holds, and the question that it is.

    `rows` is what the answer's rows hold, None for what no other page needs to know; of a schema what gives it, which
    loads pyarrow. `columns` chooses of them.
    """

    path: str
    summary: str
    parameters: type[FormatParameters]
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
    Route("/api/v1/symbols", "What is stored.", FormatParameters, Symbols, lambda _: Symbols()),
    Route(
        "/api/v1/instruments",
        "Contract terms of the instruments found, the newest of each.",
        InstrumentParameters,
        Instruments,
        lambda asked: Instruments(
            InstrumentSearch(
                asked.search, asked.venue, asked.product, asked.class_, asked.limit or MAX_LIMIT, asked.at or 0
            ),
            asked.after,
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
        lambda asked: Daily(asked.symbol, asked.from_, asked.to, *asked.days),
        _day_columns,
    ),
    Route(
        "/api/v1/coverage/{symbol}",
        "As daily.",
        RangeParameters,
        Daily,
        lambda asked: Daily(asked.symbol, asked.from_, asked.to, *asked.days),
        _day_columns,
    ),
    Route(
        "/api/v1/dominant/{symbol}",
        "When which contract of a product became the main one.",
        SymbolParameters,
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
            asked.symbol,
            asked.venue,
            asked.from_,
            asked.to,
            asked.interval,
            asked.rows or MAX_LIMIT,
            bool(asked.last),
            asked.adjust,
            asked.after,
            *asked.days,
        ),
        BAR,
    ),
    Route(
        "/api/v1/statistics/{symbol}",
        "Prices, volume, turnover and VWAP over the minute bars of a range, a row per venue.",
        RangeParameters,
        Statistics,
        lambda asked: Statistics(asked.symbol, asked.from_, asked.to, *asked.days),
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
            *(web.get(route.path, self._answers(route)) for route in ROUTES),
            web.get(f"/api/v1/{{kind:{'|'.join(PATHS)}}}/{{symbols}}", self._records),
        ]

    def _answers(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def work(asked: FormatParameters) -> pa.Table:
            found = await self._ask(route.question(asked))
            return found if route.columns is None else found.select(list(route.columns))

        async def handle(request: web.Request) -> web.Response:
            return await self._enveloped(request, route.parameters, work)

        return handle

    async def _records(self, request: web.Request) -> web.Response:
        kind = PATHS[path := request.match_info["kind"]]

        async def work(asked: RecordsParameters) -> pa.Table:
            several = asked.symbols.count(",") + 1
            limit = asked.rows or max(1, MAX_LIMIT // several)
            return await self._ask(page_of(asked, kind, asked.symbols, limit, last=bool(asked.last)))

        return await self._enveloped(request, records_parameters(path), work)

    async def _enveloped(
        self, request: web.Request, parameters: type[P], work: Callable[[P], Awaitable[pa.Table]]
    ) -> web.Response:
        return await enveloped(request, parameters, lambda asked: self._callers.serve(request, lambda: work(asked)))


def page_of(asked: PageParameters, kind: DataKind, symbol: str, limit: int, *, last: bool = False) -> Records:
    """The page of records that a request asks for."""
    return Records(
        kind.name,
        symbol,
        asked.venue,
        asked.from_,
        asked.to,
        getattr(asked, "interval", None),
        limit,
        asked.after,
        last,
        getattr(asked, "made_of", ""),
        *asked.days,
    )
