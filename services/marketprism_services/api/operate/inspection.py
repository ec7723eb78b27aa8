"""What single instances show of themselves: asked in bounded time, and only those that the registry has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from marketprism_adapters.nats.leader_watch import health_of
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.failures import Code, wrong_field
from marketprism_application.errors import ApplicationError
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, RemoteError, SdkError, reason_of
from marketprism_sdk.messaging import (
    INSPECT,
    LOGS,
    METRICS,
    STATUS,
    Discovery,
    InstanceRecord,
    LogsAnswer,
    LogsRequest,
    NatsBus,
    RpcClient,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import MetricRow

_ANSWER_S = 1.5  # of an instance that is well it takes milliseconds
_HEALTH_S = 2.5  # its own checks may take two seconds
_AT_ONCE = 32
MOST_ASKED = 200
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SHOWN = 80

T = TypeVar("T")


class NoAnswer(ApplicationError):
    """An instance of the registry did not answer in time."""

    code = Code.UNAVAILABLE


class Silent(NamedTuple):
    """An instance that did not answer, and why that may be."""

    service: str
    instance: str
    reason: str


class Inspector:
    """Asks instances for what `marketprism_sdk.messaging` says that each of them shows."""

    def __init__(self, connection: NatsConnection, discovery: Discovery) -> None:
        self._connection = connection
        self._discovery = discovery
        self._calls = RpcClient(NatsBus(connection), root=INSPECT)
        self._room = asyncio.Semaphore(_AT_ONCE)

    def find(self, service: str, instance: str) -> InstanceRecord:
        """The entry of an instance. Raises AccessRefused: NOT_FOUND, the registry has none of these names."""
        found = self.instances(service)
        for each in found:
            if each.instance == instance:
                return each
        known = ", ".join(each.instance for each in found[:5])
        raise AccessRefused(Code.NOT_FOUND, f"instance: expected one of {known}, was {instance[:_SHOWN]!r}")

    def instances(self, service: str | None) -> list[InstanceRecord]:
        """The instances of a service, or of all, that can be asked.

        Raises:
            AccessRefused: NOT_FOUND, the registry has no such service.
        """
        found = [each for each in self._discovery.instances(service) if _has_names(each)]
        if not found and service is not None:
            known = ", ".join(sorted({each.service for each in self._discovery.instances() if _has_names(each)}))
            text = f"service: expected one that runs ({known or 'none does'}), was {service[:_SHOWN]!r}"
            raise AccessRefused(Code.NOT_FOUND, text)
        return found

    async def logs(self, record: InstanceRecord, request: LogsRequest) -> LogsAnswer:
        """Newest log lines of an instance. Raises NoAnswer. RemoteError: what it refuses."""
        return await self._ask(record, LOGS, LogsAnswer, request)

    async def status(self, record: InstanceRecord) -> dict[str, object]:
        """What its `/status` shows. Raises NoAnswer."""
        return await self._ask(record, STATUS, dict[str, object])

    async def metrics(self, record: InstanceRecord) -> list[MetricRow]:
        """What its `/metrics` shows. Raises NoAnswer."""
        return await self._ask(record, METRICS, list[MetricRow])

    async def health(self, record: InstanceRecord) -> Mapping[str, object]:
        """What its `/health` shows. Raises NoAnswer."""
        try:
            found = await health_of(self._connection, record, within_s=_HEALTH_S)
        except (SdkError, ValueError) as error:
            raise _no_answer(record, error) from error
        if found is None:
            raise NoAnswer(f"{record.instance}: {_frozen(_HEALTH_S)}", retryable=True)
        return found

    async def logs_of_all(
        self, records: Sequence[InstanceRecord], request: LogsRequest
    ) -> tuple[list[tuple[InstanceRecord, LogsAnswer]], list[Silent]]:
        """Of each that answers its lines, once for a process; and those that do not answer."""
        asked = records[:MOST_ASKED]
        silent = [Silent(each.service, each.instance, "not asked") for each in records[MOST_ASKED:]]
        found: dict[str, tuple[InstanceRecord, LogsAnswer]] = {}

        async def one(record: InstanceRecord) -> None:
            try:
                async with self._room:
                    answer = await self.logs(record, request)
            except (NoAnswer, SdkError) as error:
                silent.append(Silent(record.service, record.instance, reason_of(error).partition(": ")[2]))
            else:
                found.setdefault(answer.process, (record, answer))

        await asyncio.gather(*(one(each) for each in asked))
        return list(found.values()), sorted(silent)

    async def _ask(self, record: InstanceRecord, method: str, kind: type[T], request: object = None) -> T:
        call = self._calls.call(record.service, method, request, instance=record.instance, timeout_s=_ANSWER_S)
        found = await _within(record, call)
        try:
            return msgspec.convert(found, kind)
        except msgspec.ValidationError as error:
            text = f"{method} of {record.instance}: {wrong_field(error, method)}"
            raise RemoteError(Code.MALFORMED_REPLY, text) from error


async def _within(record: InstanceRecord, call: Awaitable[object]) -> object:
    try:
        return await call
    except RemoteError:
        raise
    except (SdkError, ValueError) as error:
        raise _no_answer(record, error) from error


def _no_answer(record: InstanceRecord, error: Exception) -> NoAnswer:
    if isinstance(error, NoResponders):
        text = "nobody answers for it: it has just ended, or is of an earlier version"
    elif isinstance(error, DeadlineExceeded):
        text = _frozen(_ANSWER_S)
    else:  # of this side: NATS is away, or of what came back
        text = reason_of(error)
    return NoAnswer(f"{record.instance}: {text}", retryable=True)


def _frozen(within_s: float) -> str:
    return f"no answer within {within_s:g} s: frozen, overloaded or cut off"


def _has_names(record: InstanceRecord) -> bool:
    """Whether its names are tokens of a subject: what is in the registry others may have written."""
    return bool(_NAME.fullmatch(record.service) and _NAME.fullmatch(record.instance))
