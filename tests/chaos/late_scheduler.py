"""A scheduler that goes on for a while after its lease has ended, as one does that was frozen and does not know it yet.

`python -m tests.chaos.late_scheduler fenced|unfenced run scheduler --config …`. Unfenced its writes carry no fence, and
the queue does not know a run that it has had already; with workers that begin whatever arrives (`job_worker …
unclaimed`) nothing keeps a due time from being run twice. A trial that finds nothing there proves nothing here.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from marketprism_sdk.messaging import JobRun
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.streams import Fence
from marketprism_services.__main__ import main
from marketprism_services.scheduler import service
from marketprism_services.scheduler.service import SchedulerService

_LATE_S = 1.5
_deactivate = SchedulerService.on_deactivate


async def deactivate_late(self: SchedulerService, reason: str) -> None:
    """Plan and give runs on, as long as the fence lets it."""
    await asyncio.sleep(_LATE_S)
    await _deactivate(self, reason)


async def submit_again(connection: NatsConnection, to: str, run: JobRun) -> None:
    """As if nobody had given it yet."""
    await publish_ack(connection, f"job.{to}.{run.handler}", msgspec.msgpack.encode(run))


if __name__ == "__main__":
    SchedulerService.on_deactivate = deactivate_late  # type: ignore[method-assign]
    if sys.argv.pop(1) == "unfenced":
        Fence.headers = property(lambda _: {})  # type: ignore[method-assign, assignment]
        service.submit_run = submit_again
    main()
