"""The read API over HTTP: `GET /api/v1/…`, a row a question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.kinds import BAR, GAP, INSTRUMENT, PATHS, QUALITY, TICK, DataKind
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    Book,
    Continuous,
    Daily,
    Dominant,
    EncodedAnswer,
    Instruments,
    InstrumentSearch,
    Products,
    Question,
    Records,
    Search,
    Sessions,
    Statistics,
    Symbols,
)
from marketprism_services.api.endpoint import Endpoint, Handler, principal_of
from marketprism_services.api.read.entitled import asked_by, check_named, entitled
from marketprism_services.api.read.overview_requests import (
    CoverageParameters,
    GapLedgerParameters,
    QualityOverviewParameters,
)
from marketprism_services.api.read.parameters import FormatParameters
from marketprism_services.api.read.rendering import enveloped, is_shaped
from marketprism_services.api.read.requests import (
    BookParameters,
    ContinuousParameters,
    InstrumentParameters,
    PageParameters,
    RangeParameters,
    RecordsParameters,
    SearchParameters,
    SessionsParameters,
    SymbolParameters,
    records_parameters,
)

if TYPE_CHECKING:
    import pyarrow as pa

Ask = Callable[[Question], Awaitable["pa.Table"]]
AskEncoded = Callable[[Question], Awaitable[EncodedAnswer]]
_BOOK = ("venue", "symbol", "ts_event", "ts_recv", "seq", "trading_day", "last", "bids", "asks", "phase")


class Route(NamedTuple):
    """One question's route: what it is called, what its request holds, and the question that it is.

    `rows` is what the answer's rows hold, None for what no other page needs to know; of a schema what gives it, which
    loads pyarrow. `columns` chooses of them. `kind` is what the answer is about, for those who may not see every kind.
    """

    path: str
    summary: str
    parameters: type[FormatParameters]
    asks: type[Question]
    question: Callable[[Any], Question]
    rows: Callable[[], pa.Schema] | DataKind | None = None
    columns: tuple[str, ...] | None = None
    kind: DataKind | None = None
    scope: Scope = Scope.HISTORY


def _day_columns() -> pa.Schema:
    from marketprism_application.queries.daily import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


def _roll_columns() -> pa.Schema:
    from marketprism_application.queries.continuous import ROLLS  # noqa: PLC0415 (loads pyarrow)

    return ROLLS


def _statistics_columns() -> pa.Schema:
    from marketprism_application.queries.statistics import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


def _session_columns() -> pa.Schema:
    from marketprism_application.queries.trading_sessions import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


def _found_columns() -> pa.Schema:
    from marketprism_application.queries.arrow_tables import FOUND  # noqa: PLC0415 (loads pyarrow)

    return FOUND


def _product_columns() -> pa.Schema:
    from marketprism_application.queries.arrow_tables import PRODUCTS  # noqa: PLC0415 (loads pyarrow)

    return PRODUCTS


def _coverage_columns() -> pa.Schema:
    from marketprism_application.queries.coverage import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


def _ledger_columns() -> pa.Schema:
    from marketprism_application.queries.gap_ledger import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


def _quality_columns() -> pa.Schema:
    from marketprism_application.queries.quality_overview import COLUMNS  # noqa: PLC0415 (loads pyarrow)

    return COLUMNS


ROUTES = (
    Route("/api/v1/symbols", "What is stored.", FormatParameters, Symbols, lambda _: Symbols(), scope=Scope.READ),
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
        kind=INSTRUMENT,
        scope=Scope.READ,
    ),
    Route(
        "/api/v1/search",
        "Instruments that people may mean by a text, the likeliest first.",
        SearchParameters,
        Search,
        lambda asked: Search(asked.text, asked.venue, asked.class_, asked.limit),
        _found_columns,
        scope=Scope.READ,
    ),
    Route(
        "/api/v1/products",
        "Products of the Chinese futures exchanges: their names, and size and price step of a new contract.",
        FormatParameters,
        Products,
        lambda _: Products(),
        _product_columns,
        scope=Scope.READ,
    ),
    Route(
        "/api/v1/orderbook/{symbol}",
        "The book as it stood at an instant, by the newest stored tick.",
        BookParameters,
        Book,
        lambda asked: Book(asked.symbol, asked.venue, asked.at),
        TICK,
        _BOOK,
        TICK,
        Scope.READ,
    ),
    Route(
        "/api/v1/daily/{symbol}",
        "Trading days of an instrument: ticks, prices, volume, bars, gaps, and how complete each is.",
        RangeParameters,
        Daily,
        lambda asked: Daily(asked.symbol, asked.from_, asked.to, *asked.days),
        _day_columns,
        kind=BAR,
    ),
    Route(
        "/api/v1/coverage/{symbol}",
        "As daily.",
        RangeParameters,
        Daily,
        lambda asked: Daily(asked.symbol, asked.from_, asked.to, *asked.days),
        _day_columns,
        kind=BAR,
    ),
    Route(
        "/api/v1/dominant/{symbol}",
        "When which contract of a product became the main one.",
        SymbolParameters,
        Dominant,
        lambda asked: Dominant(asked.symbol),
        _roll_columns,
        kind=BAR,
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
        kind=BAR,
    ),
    Route(
        "/api/v1/statistics/{symbol}",
        "Prices, volume, turnover and VWAP over the minute bars of a range, a row per venue.",
        RangeParameters,
        Statistics,
        lambda asked: Statistics(asked.symbol, asked.from_, asked.to, *asked.days),
        _statistics_columns,
        kind=BAR,
    ),
    Route(
        "/api/v1/sessions/{symbol}",
        "Sections of each trading day of an instrument, as the calendar has them: auction, opening and close.",
        SessionsParameters,
        Sessions,
        lambda asked: Sessions(asked.symbol, asked.venue, asked.from_, asked.to, *asked.days),
        _session_columns,
        scope=Scope.READ,
    ),
    Route(
        "/api/v1/coverage",
        "How complete many instruments are, day by day: minute bars, minutes of the sessions, holes.",
        CoverageParameters,
        Coverage,
        lambda asked: asked.question,
        _coverage_columns,
        kind=BAR,
    ),
    Route(
        "/api/v1/gaps",
        "The ledger of holes over many instruments, the newest first, with how many minute bars each touches.",
        GapLedgerParameters,
        GapLedger,
        lambda asked: asked.question,
        _ledger_columns,
        kind=GAP,
    ),
    Route(
        "/api/v1/quality",
        "Quality of many instruments over time: score, counts and reasons of spans of windows.",
        QualityOverviewParameters,
        QualityOverview,
        lambda asked: asked.question,
        _quality_columns,
        kind=QUALITY,
    ),
)


class ReadApi:
    """Routes over `ask`, which answers one question, and `ask_encoded`, whose answers are Arrow streams already: those
    are handed on where an Arrow stream of everything is wanted by who may see everything."""

    def __init__(self, ask: Ask, ask_encoded: AskEncoded) -> None:
        self._ask = ask
        self._ask_encoded = ask_encoded

    def endpoints(self) -> list[Endpoint]:
        """What is served; the streamed forms are in `streaming`."""
        return [
            *(Endpoint("GET", route.path, self._answers(route), route.scope) for route in ROUTES),
            Endpoint("GET", f"/api/v1/{{kind:{'|'.join(PATHS)}}}/{{symbols}}", self._records, Scope.HISTORY),
        ]

    def _answers(self, route: Route) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            who = principal_of(request)

            async def work(asked: FormatParameters) -> pa.Table | EncodedAnswer:
                if (symbol := request.match_info.get("symbol")) is not None:
                    check_named(who, symbol, route.kind)
                question = asked_by(who, route.question(asked))
                if route.columns is None and is_handed_on(who, asked):
                    return await self._ask_encoded(question)
                found = entitled(await self._ask(question), who, route.kind)
                return found if route.columns is None else found.select(list(route.columns))

            return await enveloped(request, route.parameters, work)

        return handle

    async def _records(self, request: web.Request) -> web.Response:
        kind, who = PATHS[path := request.match_info["kind"]], principal_of(request)

        async def work(asked: RecordsParameters) -> pa.Table | EncodedAnswer:
            check_named(who, asked.symbols, kind)
            several = asked.symbols.count(",") + 1
            limit = asked.rows or max(1, MAX_LIMIT // several)
            question = page_of(asked, kind, asked.symbols, limit, last=bool(asked.last))
            if is_handed_on(who, asked):
                return await self._ask_encoded(question)
            return entitled(await self._ask(question), who, kind)

        return await enveloped(request, records_parameters(path), work)


def is_handed_on(who: Principal, asked: FormatParameters) -> bool:
    """Whether an answer goes out as it came in: an Arrow stream of everything, for who may see everything, and whose
    rows nobody counts."""
    return asked.format == "arrow" and who.entitlements.is_unbounded and not who.quotas and not is_shaped(asked)


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
        as_of=getattr(asked, "as_of", None),
    )
