"""Older paths, and which request of today each is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web
from pydantic import Field

from marketprism_adapters.http.operation import Described, Operation
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.backtests import SubmitBacktest, Submitted
from marketprism_application.contracts.data_answers import CoverageShown, RankedInstrument
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.contracts.orders import CalculateOrder, Calculation
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_services.api.endpoint import Endpoint, Handler, principal_of
from marketprism_services.api.older import data_requests as older
from marketprism_services.api.published.api import PublishedApi, values_of
from marketprism_services.api.read.entitled import check_named, entitled
from marketprism_services.api.read.parameters import FormatParameters, Limit, Time
from marketprism_services.api.read.rendering import enveloped
from marketprism_services.api.read.routes import Ask

if TYPE_CHECKING:
    import pyarrow as pa

_CALCULATE, _SUCCESSOR = "/api/calculate-order", "/api/v1/orders/calculate"
_BACKTEST, _BACKTESTS = "/api/backtest", "/api/v1/backtests"
_KLINES = "/api/kline/{interval}/{symbol}"
_SINCE, _DATA_SINCE = date(2026, 11, 28), date(2026, 11, 29)
_KLINES_NOW = "/api/v1/klines"
_EXAMPLES = {"interval": "1h", "symbol": "BTCUSDT"}
_JOB = {"type": "object", "description": "The job, as `GET /api/v1/data/jobs/{id}` has it."}


class _Older(NamedTuple):
    """An older path of the data service's: what makes today's request of it, and what the documents say."""

    method: str
    path: str
    successor: str
    translated: Callable[[Mapping[str, object]], older.Successor]
    summary: str
    data: Described
    body: Described | None = None
    listed: tuple[dict[str, object], ...] = ()
    status: int = 200


def _text(name: str, place: str = "query") -> dict[str, object]:
    shown = {"example": _EXAMPLES[name]} if name in _EXAMPLES else {}
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}, **shown}


_DATA: tuple[_Older, ...] = (
    _Older(
        "POST",
        "/api/download",
        "/api/v1/data/downloads",
        older.download,
        "Klines fetched as a job",
        _JOB,
        older.OlderDownload,
        status=202,
    ),
    _Older(
        "POST",
        "/api/data-integrity",
        "/api/v1/data/checks",
        older.check,
        "Stored klines checked as a job",
        _JOB,
        older.OlderSeries,
        status=202,
    ),
    _Older(
        "POST",
        "/api/generate-integrity-report",
        "/api/v1/data/checks",
        older.report,
        "The report of a check that was done (200), or a check as a job (202)",
        {"type": "object"},
        older.OlderReport,
    ),
    _Older(
        "POST",
        "/api/download-missing-data",
        "/api/v1/data/checks",
        older.repair,
        "What a check found missing repaired, or what is missing of a range fetched, as a job",
        _JOB,
        older.OlderRepair,
        status=202,
    ),
    _Older(
        "POST",
        "/api/recheck-problematic-symbols",
        "/api/v1/data/checks",
        older.recheck,
        "Whose the defects of a check are, asked as a job",
        _JOB,
        older.OlderRecheck,
        status=202,
    ),
    _Older(
        "GET",
        "/api/dates/{interval}/{symbol}",
        "/api/v1/data/coverage",
        older.dates,
        "Days of a series that are stored",
        CoverageShown,
        listed=(*(_text(name, "path") for name in ("interval", "symbol")), *map(_text, ("start", "end", "venue"))),
    ),
    _Older(
        "GET",
        "/api/top-gainers",
        "/api/v1/data/universe",
        older.top_gainers,
        "Instruments whose price rose most on a day",
        list[RankedInstrument],
        listed=(
            *map(_text, ("day", "date", "venue")),
            {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "minimum": 1}},
        ),
    ),
)


class OlderKlines(FormatParameters):
    """Klines of an instrument by the venue's name of it; `start` and `end` as the older path had them."""

    interval: str
    symbol: str
    start: Time = Field(None, description="begin: a time, or a day for its first instant")
    end: Time = Field(None, description="end, not included")
    limit: Limit = Field(None, description=f"rows, the first ones; {MAX_LIMIT} without it")
    venue: str = Field(older.MARKET, description="the market, whose names of instruments are understood")


class AliasApi:
    """Each is a published request, or one of the read API by `ask`, under another path."""

    def __init__(self, published: PublishedApi, ask: Ask) -> None:
        self._published = published
        self._ask = ask

    def endpoints(self) -> list[Endpoint]:
        """The paths that there were before. What a published request needs is asked for when it is served."""
        return [
            Endpoint("POST", _CALCULATE, self._calculate, Scope.CALCULATE, deprecated=_SINCE, successor=_SUCCESSOR),
            Endpoint("POST", _BACKTEST, self._backtest, Scope.BACKTEST, 10, deprecated=_SINCE, successor=_BACKTESTS),
            Endpoint("GET", _KLINES, self._klines, Scope.HISTORY, deprecated=_DATA_SINCE, successor=_KLINES_NOW),
            *(
                Endpoint(
                    each.method,
                    each.path,
                    self._data(each),
                    Scope.HISTORY,
                    deprecated=_DATA_SINCE,
                    successor=each.successor,
                )
                for each in _DATA
            ),
        ]

    async def _calculate(self, request: web.Request) -> web.Response:
        return await self._published.serve_as(request, "orders", "POST", ("calculate",), await values_of(request, {}))

    async def _backtest(self, request: web.Request) -> web.Response:
        return await self._published.serve_as(request, "backtests", "POST", (), await values_of(request, {}))

    def _data(self, of: _Older) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            now = of.translated(await values_of(request, dict(request.match_info)))
            return await self._published.serve_as(request, "data", now.method, now.parts, now.values)

        return handle

    async def _klines(self, request: web.Request) -> web.Response:
        who = principal_of(request)

        async def work(asked: OlderKlines) -> pa.Table:
            symbol = older.symbol_of(asked.symbol, asked.venue)
            check_named(who, symbol, KLINE)
            venue = asked.venue.partition("-")[0]
            limit = asked.limit or MAX_LIMIT
            question = Records(KLINE.name, symbol, venue, asked.start, asked.end, asked.interval, limit)
            return entitled(await self._ask(question), who, KLINE)

        return await enveloped(request, OlderKlines, work)


def operations() -> Iterator[Operation]:
    """What the documents say of them."""
    yield Operation(
        _CALCULATE,
        f"An order calculated; the older path of `{_SUCCESSOR}`.",
        data=Calculation,
        tag="orders",
        method="POST",
        body=CalculateOrder,
        codes=(Code.UNAVAILABLE, Code.OFF_TICK),
        deprecated=_SINCE,
    )
    yield Operation(
        _BACKTEST,
        f"A strategy run over stored rows; the older path of `{_BACKTESTS}`.",
        data=Submitted,
        tag="backtests",
        method="POST",
        body=SubmitBacktest,
        status=202,
        codes=(Code.UNAVAILABLE, Code.NO_DATA, Code.STRATEGY_IMPORT_FAILED, Code.NOT_ENTITLED),
        deprecated=_SINCE,
    )
    yield Operation(
        _KLINES,
        f"Stored klines; the older path of `{_KLINES_NOW}/{{symbols}}`.",
        (OlderKlines,),
        data={"type": "array", "items": {"type": "object"}},
        tag="data",
        codes=(Code.NOT_ENTITLED, Code.UNKNOWN_SYMBOL, Code.RESPONSE_TOO_LARGE, Code.UNAVAILABLE),
        deprecated=_DATA_SINCE,
        paged=True,
        examples=_EXAMPLES,
    )
    for each in _DATA:
        yield Operation(
            each.path,
            f"{each.summary}; an older path of `{each.successor}`.",
            data=each.data,
            tag="data",
            method=each.method,
            body=each.body,
            status=each.status,
            codes=(Code.UNAVAILABLE, Code.NOT_FOUND, Code.CONFLICT),
            listed=each.listed,
            deprecated=_DATA_SINCE,
        )


TAGS = {
    "backtests": "Older paths of the backtest service.",
    "data": "Older paths of the data service.",
    "orders": "Older paths of the order service.",
}

__all__ = ["TAGS", "AliasApi", "operations"]
