"""Query: the read side, over NATS and HTTP."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web

from marketprism_adapters.nats import streams
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_adapters.sql.store import Engine, SqlReader
from marketprism_application.contracts.kinds import BAR, KINDS, TICK, DataKind
from marketprism_application.contracts.query_wire import MAX_LIMIT, Question
from marketprism_application.contracts.subjects import escape, tick_subject
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_application.export import FORMATS, json_of, render
from marketprism_application.ports import MarketReader
from marketprism_application.query import answer, ask, parse_time
from marketprism_application.resample import ReadRules
from marketprism_sdk.errors import RemoteError, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.resilience import Backoff, retry
from marketprism_sdk.service import Service, ServiceSettings, rpc
from marketprism_services.engines import EngineSource

log = structlog.get_logger()

_TIMEOUT_S = 25.0
_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "msgpack": "application/msgpack",
}


class QueryService(Service):
    """Answers `rpc.query.*` and `GET /api/v1/…`.

    Asks the server where there is one, else the storage leader, which alone has the embedded store open.
    """

    def __init__(
        self,
        connection: NatsConnection,
        rules: ReadRules,
        engines: EngineSource | None = None,
        *,
        version: str = "0",
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__("query", connection, version=version, settings=settings)
        self._rules = rules
        self._engines = engines
        self._engine: Engine | None = None
        self._reader: MarketReader = RemoteReader(self._ask_storage)

    async def on_start(self) -> None:
        """Buckets."""
        await streams.ensure_streams(self.connection, self.settings.replicas)
        self._ticks = await NatsKeyValue.open(
            self.connection, streams.LATEST_TICKS, ttl_s=3600, replicas=self.settings.replicas
        )
        if self._engines is not None:
            self._engine = await retry(self._engines.open, attempts=1_000, backoff=Backoff(0.2, 5.0))
            self._reader = SqlReader(self._engine)

    async def on_stop(self) -> None:
        """Let the server go."""
        if self._engine is not None:
            await self._engine.close()

    def routes(self) -> list[web.RouteDef]:
        """The read API."""
        return [
            web.get("/api/v1/symbols", self._symbols),
            web.get("/api/v1/ticks/{symbol}/latest", self._latest),
            web.get("/api/v1/daily/{symbol}", self._daily),
            web.get("/api/v1/{kind:bars|ticks|gaps|quality}/{symbol}", self._records),
        ]

    async def _ask_storage(self, data: bytes) -> bytes:
        return await self.calls.call_raw("storage", "arrow", data, timeout_s=_TIMEOUT_S, idempotent=True)

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """Answer a question with an Arrow stream."""
        return await answer(self._reader, data, self._rules)

    @rpc("latest_tick")
    async def latest_tick(self, symbol: Any) -> bytes | None:
        """The newest tick's message: the stream's last, which is there before it is in any table."""
        if not isinstance(symbol, str) or not symbol:
            raise RemoteError("INVALID_PARAMETER", f"symbol: expected a symbol, was {symbol!r}")
        message = await direct_get_last(self.connection, streams.TICKS, tick_subject(symbol))
        if message is not None:
            return message.data
        entries = await self._ticks.entries(f"tick.{escape(symbol)}.")
        return entries[0].value if entries else None

    # -- HTTP --------------------------------------------------------------------------------------------------------

    async def _symbols(self, request: web.Request) -> web.Response:
        return await _envelope(request, self._reader.symbols())

    async def _latest(self, request: web.Request) -> web.Response:
        return await _envelope(request, self._reader.latest(TICK, [request.match_info["symbol"]]))

    async def _daily(self, request: web.Request) -> web.Response:
        async def work() -> Any:
            start, end = (parse_time(request.query.get(name), name) for name in ("from", "to"))
            question = Question("daily", symbol=request.match_info["symbol"], ts_from=start, ts_to=end)
            return await ask(self._reader, question, self._rules)

        return await _envelope(request, work())

    async def _records(self, request: web.Request) -> web.Response:
        kind = _KINDS[request.match_info["kind"]]
        return await _envelope(request, self._range(kind, request))

    async def _range(self, kind: DataKind, request: web.Request) -> Any:
        asked = request.query
        limit = asked.get("limit", "1000")
        if not limit.isdigit():
            raise QueryError(f"limit: expected 1 to {MAX_LIMIT}, was {limit!r}")
        question = Question(
            "records",
            kind.name,
            request.match_info["symbol"],
            asked.get("venue"),
            parse_time(asked.get("from"), "from"),
            parse_time(asked.get("to"), "to"),
            asked.get("interval") if kind is BAR else None,
            int(limit),
            _after(asked.get("after")),
            asked.get("last") == "true",
        )
        return await ask(self._reader, question, self._rules)


_KINDS = {"bars": BAR, "ticks": TICK, "gaps": KINDS["gap"], "quality": KINDS["quality"]}


def _after(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise QueryError(f"after: expected <ts>,<seq> of the last row before, was {text!r}")
    return int(parts[0]), int(parts[1])


async def _envelope(request: web.Request, work: Any) -> web.Response:
    """The answer in the contract's envelope, or as a file with `format=`."""
    request_id = request.headers.get("X-Request-Id") or secrets.token_hex(8)
    base = {"timestamp": datetime.now(UTC).isoformat(), "request_id": request_id}
    try:
        table = await work
        form = request.query.get("format", "json")
        if form not in FORMATS:
            raise QueryError(f"format: expected one of {', '.join(FORMATS)}, was {form!r}")
        if form != "json":
            return web.Response(body=render(table, form), headers={"Content-Type": _CONTENT_TYPES[form]})
        rows = [json_of(row) for row in table.to_pylist()]
        return web.json_response({"success": True, "data": rows, "message": f"{len(rows)} rows", **base})
    except QueryError as error:
        return _failure(400, "INVALID_PARAMETER", str(error), base)
    except (ApplicationError, SdkError) as error:
        log.warning("query failed", path=request.path, error=str(error))
        return _failure(503, "UNAVAILABLE", str(error), base)


def _failure(status: int, code: str, message: str, base: dict[str, Any]) -> web.Response:
    error = {"code": code, "message": message, "details": {}}
    return web.json_response({"success": False, "error": error, **base}, status=status)
