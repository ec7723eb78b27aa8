"""A service that does jobs and leaves a mark of each beginning and each end, which nothing takes back.

`python -m tests.chaos.job_worker <nats-url> [unclaimed]`, as a child of a trial; unclaimed it begins whatever arrives.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time

import msgspec

from marketprism_sdk.messaging import ClaimStatus, JobClaim, JobClaims, JobRun
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.service import Service, ServiceSettings, job, run

SERVICE = "worker"
MARKS = "MARKS"


class Wanted(msgspec.Struct):
    """How long a run takes at most, seconds."""

    longest_s: float = 0.3


class Worker(Service):
    """Marks are on `mark.<begun|done>.<job>.<due>.<attempt>`."""

    @job("mark")
    async def mark(self, wanted: Wanted, given: JobRun) -> dict[str, str]:
        """Leave both marks."""
        place = f"{given.job}.{given.due}.{given.attempt}"
        await publish_ack(self.connection, f"mark.begun.{place}", self.instance.encode())
        await asyncio.sleep(random.uniform(0.0, wanted.longest_s))
        await publish_ack(self.connection, f"mark.done.{place}", self.instance.encode())
        return {"by": self.instance}


async def work(stop: asyncio.Event) -> int:
    """Until it has to stop."""
    connection = await NatsConnection.open(sys.argv[1])
    try:
        return await Worker(SERVICE, connection, settings=ServiceSettings(jobs_parallel=32)).run(stop)
    finally:
        await connection.close()


async def begin_anyhow(claims: JobClaims, key: str, instance: str) -> tuple[int, JobClaim]:
    """In place of `JobClaims.begin`: nobody's claim stands against it."""
    return 0, JobClaim(ClaimStatus.BEGUN, instance, time.time_ns())


if __name__ == "__main__":
    if "unclaimed" in sys.argv:
        JobClaims.begin = begin_anyhow  # type: ignore[method-assign, assignment]
    raise SystemExit(run(work))
