"""The read API over HTTP: `GET /api/v1/…`, answers in the contract's envelope, as files, or as streams."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from aiohttp import web

from marketprism_adapters.http.caller_limits import Callers, TooMany
from marketprism_application.contracts.kinds import BAR, KINDS, TICK, VENUE_KINDS, DataKind
from marketprism_application.contracts.questions import MAX_LIMIT, InstrumentSearch, Question
from marketprism_application.errors import ApplicationError, QueryError, UnknownSymbolError
from marketprism_application.queries.answering import parse_time
from marketprism_application.queries.export import FORMATS, json_of, json_rows, render
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.lazy import loaded

if TYPE_CHECKING:
    import pyarrow as pa

log = structlog.get_logger()

Ask = Callable[[Question], Awaitable["pa.Table"]]
KIND_OF = {
    "bars": BAR, "ticks": TICK, "gaps": KINDS["gap"], "quality": KINDS["quality"],
    **{kind.table: kind for kind in VENUE_KINDS},
}  # fmt: skip
_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "msgpack": "application/msgpack",
}
_MAX_SYMBOLS = 200
_PARALLEL = 8
_BOOK = ("venue", "symbol", "ts_event", "ts_recv", "seq", "trading_day", "last", "bids", "asks", "phase")


class ReadApi:
    """Routes over `ask`, which answers one question."""

    def __init__(self, ask: Ask, callers: Callers) -> None:
        self._ask = ask
        self._callers = callers

    def routes(self) -> list[web.RouteDef]:
        """What is served; the streamed forms are in `query_stream`."""
        return [
            web.get("/api/v1/symbols", self._of(lambda _: self._ask(Question("symbols")))),
            web.get("/api/v1/instruments", self._of(self._instruments)),
            web.get("/api/v1/orderbook/{symbol}", self._of(self._book)),
            web.get("/api/v1/daily/{symbol}", self._of(lambda request: self._over(request, "daily"))),
            web.get("/api/v1/coverage/{symbol}", self._of(lambda request: self._over(request, "daily"))),
            web.get("/api/v1/dominant/{symbol}", self._of(lambda request: self._over(request, "dominant"))),
            web.get("/api/v1/continuous/{symbol}", self._of(self._continuous)),
            web.get("/api/v1/statistics/{symbol}", self._of(lambda request: self._over(request, "statistics"))),
            web.get(f"/api/v1/{{kind:{'|'.join(KIND_OF)}}}/{{symbols}}", self._of(self._records)),
        ]

    def _of(self, work: Callable[[web.Request], Awaitable[pa.Table]]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            return await enveloped(request, lambda: self._callers.serve(request, lambda: work(request)))

        return handle

    async def _instruments(self, request: web.Request) -> pa.Table:
        asked = request.query
        text, venue, product, class_ = (asked.get(name, "") for name in ("search", "venue", "product", "class"))
        limit, at = whole_number(asked, "limit", 100, MAX_LIMIT), parse_time(asked.get("at"), "at")
        search = InstrumentSearch(text, venue, product, class_, limit, at or 0)
        return await self._ask(Question("instruments", search=search))

    async def _book(self, request: web.Request) -> pa.Table:
        at = parse_time(request.query.get("at"), "at")
        symbol = request.match_info["symbol"]
        found = await self._ask(Question("book", symbol=symbol, venue=request.query.get("venue"), ts_to=at))
        return found.select(list(_BOOK))

    async def _continuous(self, request: web.Request) -> pa.Table:
        base = question_of(request.query, BAR)
        adjust = request.query.get("adjust", "none")
        symbol = request.match_info["symbol"]
        return await self._ask(msgspec.structs.replace(base, method="continuous", symbol=symbol, adjust=adjust))

    async def _over(self, request: web.Request, method: str) -> pa.Table:
        start, end = (parse_time(request.query.get(name), name) for name in ("from", "to"))
        return await self._ask(Question(method, symbol=request.match_info["symbol"], ts_from=start, ts_to=end))

    async def _records(self, request: web.Request) -> pa.Table:
        """One or several instruments; of several, each has the limit for itself."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        symbols = list(dict.fromkeys(request.match_info["symbols"].split(",")))
        if len(symbols) > _MAX_SYMBOLS:
            raise QueryError(f"symbols: expected at most {_MAX_SYMBOLS}, was {len(symbols)}")
        base = question_of(request.query, KIND_OF[request.match_info["kind"]])
        if len(symbols) * base.limit > max(MAX_LIMIT, base.limit):
            raise QueryError(f"limit: expected at most {MAX_LIMIT // len(symbols)} for {len(symbols)} symbols")
        if len(symbols) == 1:
            return await self._ask(msgspec.structs.replace(base, symbol=symbols[0]))
        room = asyncio.Semaphore(_PARALLEL)

        async def one(symbol: str) -> pa.Table:
            async with room:
                return await self._ask(msgspec.structs.replace(base, symbol=symbol))

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(one(symbol)) for symbol in symbols]
        tables = [task.result() for task in asked]
        return pa.concat_tables([table for table in tables if table.num_rows] or tables[:1])


def question_of(asked: Mapping[str, str], kind: DataKind) -> Question:
    """The range that a request's parameters ask for, without its symbol."""
    return Question(
        "records",
        kind.name,
        "",
        asked.get("venue"),
        parse_time(asked.get("from"), "from"),
        parse_time(asked.get("to"), "to"),
        asked.get("interval") if "interval" in kind.fields else None,
        whole_number(asked, "limit", 1_000, MAX_LIMIT),
        _after(asked.get("after")),
        asked.get("last") == "true",
        made_of=asked.get("made_of", "") if kind is BAR else "",
    )


def whole_number(asked: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A parameter that counts something.

    Raises:
        QueryError: not a number from 1 to `most`.
    """
    text = asked.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise QueryError(f"{name}: expected 1 to {most}, was {text[:80]!r}")
    return int(text)


def _after(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
        raise QueryError(f"after: expected <ts>,<seq> of the last row before, was {text[:80]!r}")
    return int(parts[0]), int(parts[1])


async def enveloped(
    request: web.Request, work: Callable[[], Awaitable[pa.Table | Sequence[Any]]], kind: DataKind | None = None
) -> web.Response:
    """The answer in the contract's envelope, or as a file with `format=`.

    A few records of a `kind` need no table on their way to JSON: making one costs more than all the rest.
    """
    base = base_of(request)
    try:
        form = request.query.get("format", "json")
        if form not in FORMATS:
            raise QueryError(f"format: expected one of {', '.join(FORMATS)}, was {form[:80]!r}")
        found = await work()
        if isinstance(found, Sequence):
            if form == "json":
                return answered([json_of(record._asdict()) for record in found], base)
            await loaded("pyarrow")
            from marketprism_application.queries.arrow_tables import table_of  # noqa: PLC0415 (loads pyarrow)

            found = table_of(kind or TICK, found)
        table = found
        if form != "json":
            body = await asyncio.to_thread(render, table, form)
            return web.Response(body=body, headers={"Content-Type": _CONTENT_TYPES[form]})
        # A large answer is rendered in a thread, so that others need not wait for it.
        rows = json_rows(table) if table.num_rows <= _AT_ONCE else await asyncio.to_thread(json_rows, table)
        return answered(rows, base)
    except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
        return failed(request, error, base)


_AT_ONCE = 200


def base_of(request: web.Request) -> dict[str, Any]:
    """What every envelope holds."""
    request_id = request.headers.get("X-Request-Id", "")[:80] or secrets.token_hex(8)
    return {"timestamp": datetime.now(UTC).isoformat(), "request_id": request_id}


def answered(rows: list[dict[str, Any]], base: dict[str, Any]) -> web.Response:
    """Rows in the envelope."""
    body = {"success": True, "data": rows, "message": f"{len(rows)} rows", **base}
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def failed(request: web.Request, error: BaseException, base: dict[str, Any]) -> web.Response:
    """An error in the envelope; of several that came together, the first. Raises what is no answer to a caller."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TooMany):
        headers = {"Retry-After": str(max(1, round(error.retry_s)))}
        return _failure(429, "TOO_MANY_REQUESTS", str(error), base, headers)
    if isinstance(error, UnknownSymbolError):
        return _failure(404, "UNKNOWN_SYMBOL", str(error), base)
    if isinstance(error, QueryError):
        return _failure(400, "INVALID_PARAMETER", str(error), base)
    if isinstance(error, ApplicationError | SdkError):
        log.warning("query failed", path=request.path, error=reason_of(error))
        return _failure(503, "UNAVAILABLE", reason_of(error), base)
    raise error


def _failure(
    status: int, code: str, message: str, base: dict[str, Any], headers: dict[str, str] | None = None
) -> web.Response:
    error = {"code": code, "message": message, "details": {}}
    return web.json_response({"success": False, "error": error, **base}, status=status, headers=headers)
