"""How an instance answers those who watch over the system."""

from __future__ import annotations

from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import (
    INSPECT,
    LOGS,
    METRICS,
    STATUS,
    LogEntry,
    LogsAnswer,
    LogsRequest,
    MessageBus,
    RpcServer,
)
from marketprism_sdk.observability import MetricRow, Metrics, logs
from marketprism_sdk.service._bodies import WRONG_BODY, decoded
from marketprism_sdk.service._http_server import HttpServer


class Inspection:
    """Answers `inspect.<service>.<instance>.<logs|status|metrics>`, from before the service is ready until it ends."""

    def __init__(self, bus: MessageBus, service: str, instance: str, metrics: Metrics, http: HttpServer) -> None:
        self._metrics = metrics
        self._http = http
        self._server = RpcServer(bus, service, instance, metrics, root=INSPECT)
        self._server.add(LOGS, self._logs)
        self._server.add(STATUS, self._status)
        self._server.add(METRICS, self._rows)

    async def start(self) -> None:
        """Begin to answer, before the service is ready."""
        await self._server.start(shared=False)

    async def stop(self) -> None:
        """Answer nothing any more."""
        await self._server.stop()

    async def _logs(self, asked: object) -> LogsAnswer:
        request = decoded(asked, LogsRequest, LOGS)
        recent = logs.recent()
        try:
            page = recent.read(after=request.after, since_ns=request.since, level=request.level, limit=request.limit)
        except ValueError as error:
            raise RemoteError(WRONG_BODY, str(error), {"field": "level"}) from error
        lines = tuple(LogEntry(*line) for line in page.lines)
        return LogsAnswer(logs.process_name(), lines, page.more, page.missed, recent.dropped)

    async def _status(self, _: object) -> dict[str, object]:
        return await self._http.shown()

    async def _rows(self, _: object) -> list[MetricRow]:
        return self._metrics.rows()


__all__ = ["Inspection"]
