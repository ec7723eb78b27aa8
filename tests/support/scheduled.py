"""Schedulers and a service that does jobs, on one server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.venues.registry import FUNDING_HOURS
from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_sdk.errors import JobFailed
from marketprism_sdk.messaging import JobRun, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, job
from marketprism_services.scheduler.service import SchedulerService
from tests.support.services import running

SECOND = 1_000_000_000
NEVER = "cron 0 0 29 2 * UTC"


class Note(msgspec.Struct):
    """What is to be noted."""

    text: str = ""
    fails: int = 0


class Worker(Service):
    """Notes what it is to do."""

    def __init__(self, name: str, connection: NatsConnection) -> None:
        super().__init__(name, connection)
        self.runs: list[JobRun] = []

    @job("note")
    async def note(self, note: Note, run: JobRun) -> dict[str, str]:
        """Note it."""
        self.runs.append(run)
        if run.attempt <= note.fails:
            raise JobFailed(f"attempt {run.attempt} fails")
        return {"noted": note.text}

    @job("hang")
    async def hang(self, _: Note, run: JobRun) -> None:
        """Never end."""
        self.runs.append(run)
        await asyncio.Event().wait()


class Place:
    """Schedulers and a worker on one server; jobs are asked for over NATS, as the command line does."""

    def __init__(self, connection: NatsConnection, worker: Worker, stack: AsyncExitStack) -> None:
        self.connection = connection
        self.worker = worker
        self._stack = stack
        self.schedulers: list[SchedulerService] = []

    async def scheduler(
        self, built_in: Mapping[str, JobDocument] | None = None, file: Mapping[str, JobDocument] | None = None
    ) -> SchedulerService:
        connection = await self.connection.another("scheduler")
        self._stack.push_async_callback(connection.close)
        service = SchedulerService(
            connection,
            chinese_calendar_of_markets,
            built_in=built_in or {},
            file=file or {},
            funding_hours=FUNDING_HOURS,
        )
        await self._stack.enter_async_context(running(service))
        self.schedulers.append(service)
        return service

    async def ask(self, method: str, **values: object) -> Any:
        return await RpcClient(self.schedulers[0].bus).call("scheduler", method, values)

    async def define(self, name: str, **document: object) -> Any:
        document.setdefault("command", f"{self.worker.name}.note")
        return await self.ask("define", job=name, document=document, reason="a test")

    async def ended(self, job: str, count: int = 1) -> list[Any]:
        """The runs of a job that have ended, the newest first, once there are so many."""
        async with asyncio.timeout(25):
            while len(found := (await self.ask("runs", job=job))["runs"]) < count:
                await asyncio.sleep(0.05)
        return list(found)


def job_of(**more: Any) -> JobDocument:
    return JobDocument(**{"trigger": NEVER, "command": "worker.note", **more})
