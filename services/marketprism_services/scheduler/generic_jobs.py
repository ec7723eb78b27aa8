"""Jobs of the scheduler itself: give a command to a service, or ask it something."""

from __future__ import annotations

import asyncio

import msgspec

from marketprism_sdk.errors import CommandRejected, JobFailed, RemoteError
from marketprism_sdk.messaging import DONE, JobRun, RpcClient, outcome_of, send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import job

_LOOK_S = 0.5
_CALL_S = 25.0
_ASKED_OF_ALL = frozenset({"health", "interface", "job_handlers", "status"})
_READS = "query"


class CommandJob(msgspec.Struct, forbid_unknown_fields=True):
    """A command to a service, or to a `group` of it."""

    service: str
    name: str
    body: dict[str, object] = {}
    group: str = "default"


class CallJob(msgspec.Struct, forbid_unknown_fields=True):
    """A question to a service: `rpc.<service>.<method>`."""

    service: str
    method: str
    request: dict[str, object] = {}
    timeout_s: float = _CALL_S


class GenericJobs:
    """With these two, whatever a service takes can be a job."""

    def __init__(self, connection: NatsConnection, calls: RpcClient) -> None:
        self._connection = connection
        self._calls = calls

    @job("command")
    async def command(self, wanted: CommandJob, run: JobRun) -> dict[str, object]:
        """Give a command to a service, under the key of the run, and wait for what becomes of it."""
        key = await send_command(
            self._connection,
            wanted.service,
            wanted.name,
            wanted.body,
            issuer=f"operator:job:{run.job}",
            key=run.key,
            group=wanted.group,
        )
        done = NatsKeyValue.existing(self._connection, DONE)
        while True:
            if (outcome := await outcome_of(done, key)) is not None:
                break
            await asyncio.sleep(_LOOK_S)
        if outcome.status == "refused":
            raise CommandRejected(outcome.reason)
        if outcome.status == "failed":
            raise JobFailed(outcome.reason, {"letter": outcome.letter})
        return {"command": f"{wanted.service}.{wanted.name}", "key": key}

    @job("call")
    async def call(self, wanted: CallJob) -> object:
        """Ask a service something, and keep its answer: how it is, what it offers, or what the read side knows."""
        # Whoever may define jobs may operate, and no more: another call could do what that right is not enough for.
        if wanted.method not in _ASKED_OF_ALL and wanted.service != _READS:
            known = ", ".join(sorted(_ASKED_OF_ALL))
            raise CommandRejected(f"method: expected one of {known}, or any of {_READS}, was {wanted.method[:60]!r}")
        try:
            return await self._calls.call(wanted.service, wanted.method, wanted.request, timeout_s=wanted.timeout_s)
        except RemoteError as error:
            if error.retryable:
                raise
            raise CommandRejected(str(error)) from error


__all__ = ["CallJob", "CommandJob", "GenericJobs"]
