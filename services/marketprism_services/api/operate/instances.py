"""`/api/v1/system/instances/{service}/{instance}` and `/api/v1/logs`: single instances, and what they log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_application.access.scopes import Scope
from marketprism_sdk.errors import RemoteError, reason_of
from marketprism_sdk.messaging import InstanceRecord, LogEntry, LogsAnswer, LogsRequest
from marketprism_services.api.access.login import private
from marketprism_services.api.computing import computed
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.operate.inspection import Inspector, NoAnswer
from marketprism_services.api.operate.parameters import InstanceLogsParameters, InstanceParameters, LogsParameters

_WEIGHT, _ALL_WEIGHT = 5, 20
_PATH = "/api/v1/system/instances/{service}/{instance}"
_DETAILS = ("timestamp", "level", "event", "service", "instance")  # of a line, that stand beside its fields

T = TypeVar("T")


class InstancesApi:
    """Whoever may see the system sees how an instance is; logs say more than that, and are for operators."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector

    def endpoints(self) -> list[Endpoint]:
        """One instance, its logs, and the logs of all."""
        return [
            Endpoint("GET", _PATH, self._show, Scope.SYSTEM, weight=_WEIGHT),
            Endpoint("GET", f"{_PATH}/logs", self._logs, Scope.OPERATE, weight=_WEIGHT),
            Endpoint("GET", "/api/v1/logs", self._all_logs, Scope.OPERATE, weight=_ALL_WEIGHT),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        asked = InstanceParameters.of(request)
        record = self._inspector.find(asked.service, asked.instance)
        missing: dict[str, str] = {}

        async def part(name: str, call: Awaitable[T]) -> T | None:
            try:
                return await call
            except (NoAnswer, RemoteError) as error:
                missing[name] = reason_of(error)
                return None

        calls = [part("status", self._inspector.status(record)), part("health", self._inspector.health(record))]
        may_see_metrics = principal_of(request).may(Scope.METRICS)
        metrics = part("metrics", self._inspector.metrics(record)) if may_see_metrics else _nothing()
        (status, health), rows = await asyncio.gather(asyncio.gather(*calls), metrics)
        if len(missing) == len(calls) + may_see_metrics:
            raise NoAnswer(missing["status"], retryable=True)
        if not may_see_metrics:
            missing["metrics"] = f"for who has the scope {Scope.METRICS}"
        data = {**_basics(record), "status": status, "health": health, "metrics": rows, "missing": missing}
        return private(answered(msgspec.to_builtins(data), record.instance, Stamp.of(request)))

    async def _logs(self, request: web.Request) -> web.Response:
        asked = InstanceLogsParameters.of(request)
        record = self._inspector.find(asked.service, asked.instance)
        found = await self._inspector.logs(record, LogsRequest(asked.after, 0, asked.level, asked.limit))
        lines = [_row(each, record) for each in found.lines]
        data = {
            "lines": lines,
            "after": found.lines[-1].seq if found.lines else asked.after,
            "more": found.more,
            "missed": found.missed,
            "dropped": found.dropped,
        }
        return private(answered(data, count_of(len(lines), "line"), Stamp.of(request)))

    async def _all_logs(self, request: web.Request) -> web.Response:
        asked = LogsParameters.of(request)
        records = self._inspector.instances(asked.service)
        wanted = LogsRequest(0, asked.since or 0, asked.level, asked.limit)
        answers, silent = await self._inspector.logs_of_all(records, wanted)
        newest = await computed(lambda: _newest(answers, asked.limit))
        count = sum(len(answer.lines) for _, answer in answers)
        data = {
            "lines": newest,
            "more": count > asked.limit or any(answer.more for _, answer in answers),
            "silent": [each._asdict() for each in silent],
        }
        return private(answered(data, count_of(len(newest), "line"), Stamp.of(request)))


def _newest(answers: Sequence[tuple[InstanceRecord, LogsAnswer]], limit: int) -> list[dict[str, object]]:
    """The newest lines of all, oldest first; only these are read."""
    lines = [(each, record) for record, answer in answers for each in answer.lines]
    lines.sort(key=lambda line: (line[0].ts, line[1].service, line[1].instance, line[0].seq))
    return [_row(each, record) for each, record in lines[-limit:]]


async def _nothing() -> None:
    return None


def _basics(record: InstanceRecord) -> dict[str, object]:
    """What the registry has of it."""
    return {
        "service": record.service,
        "instance": record.instance,
        "version": record.version,
        "group": record.group,
        "state": record.status,
        "ts_started": record.ts_started,
        "ts_heartbeat": record.ts_heartbeat,
        "endpoints": record.endpoints,
    }


def _row(entry: LogEntry, record: InstanceRecord) -> dict[str, object]:
    """A line with its fields; one that cannot be read is shown as it is."""
    try:
        fields = msgspec.json.decode(entry.text, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        fields = {"event": entry.text}
    return {
        "seq": entry.seq,
        "ts": entry.ts,
        "level": entry.level,
        "service": str(fields.get("service", record.service)),
        "instance": str(fields.get("instance", record.instance)),
        "event": str(fields.get("event", "")),
        "fields": {name: value for name, value in fields.items() if name not in _DETAILS},
    }
