"""A service of its own, for the tests of what operators do: `python -m tests.integration.api.operated <url> <name> …`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

import msgspec
import structlog

from marketprism_sdk import Caller
from marketprism_sdk.errors import CommandRejected, RemoteError
from marketprism_sdk.messaging import Command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from marketprism_sdk.service import Service, command, http, run

log = structlog.get_logger()


class Job(msgspec.Struct):
    """A piece of work."""

    name: str
    count: int = 1
    labels: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count: expected at least 1, was {self.count}")


class Asked(msgspec.Struct):
    """Which one."""

    name: str
    verbose: bool = False


class Jobs(Service):
    """Takes commands and publishes requests."""

    jobs: dict[str, Job]
    given: list[Command]

    @command("Start")
    async def start(self, job: Job, given: Command) -> None:
        """Start a job."""
        if job.name == "bad":
            raise CommandRejected("Start: expected a job that there is, was bad")
        if job.name == "slow":
            await asyncio.sleep(3)
        self.jobs[job.name] = job
        self.given.append(given)

    @http("GET", "/jobs/{name}", scope="sys:read", weight=2)
    async def show(self, asked: Asked, caller: Caller) -> dict[str, object]:
        """One job."""
        if asked.name not in self.jobs:
            raise RemoteError("NOT_FOUND", f"name: expected a job, was {asked.name!r}")
        return {
            "name": asked.name,
            "count": self.jobs[asked.name].count,
            "verbose": asked.verbose,
            "caller": caller.id,
            "sees_all": caller.sees_all,
            "version": self.version,
        }

    @http("GET", "/jobs", scope="sys:read")
    async def all(self, _: object) -> list[str]:
        """Names of all jobs."""
        return sorted(self.jobs)

    @http("POST", "/jobs/{name}", scope="sys:operate", weight=5)
    async def add(self, job: Job) -> int:
        """Add a job."""
        log.error("job.added", job=job.name, password="s3cret", at="nats://me:s3cret@host:4222/")
        self.jobs[job.name] = job
        return len(self.jobs)


def jobs_of(connection: NatsConnection, name: str, version: str = "1") -> Jobs:
    service = Jobs(name, connection, version=version)
    service.jobs, service.given = {}, []
    return service


async def main(stop: asyncio.Event) -> int:
    url, name, version = sys.argv[1:4]
    connection = await NatsConnection.open(url, name=name)
    service = jobs_of(connection, name, version)
    logs.configure(form="json", service=name, instance=service.instance)
    try:
        return await service.run(stop)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(run(main))
