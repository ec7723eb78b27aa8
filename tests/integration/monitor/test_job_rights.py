"""The monitor's jobs as its own user of a server with accounts: nothing that they ask for is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.accounts import passwords_in
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.messaging import ClaimStatus, JobClaims, JobRun, ensure_job_streams, submit_run
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service
from marketprism_services.monitor.service import MonitorService
from marketprism_services.platform import nats_users
from marketprism_services.scheduler.built_in import BUILT_IN_JOBS
from tests.support.services import running

pytestmark = pytest.mark.timeout(90)
HANDLERS = sorted(
    each.command.partition(".")[2] for each in BUILT_IN_JOBS.values() if each.command.startswith("monitor.")
)


class Accounts:
    """A server with the users of a pipeline."""

    def __init__(self, url: str, users: Path, stack: AsyncExitStack) -> None:
        self._url, self._users, self._stack = url, users, stack

    async def connect(self, user: str) -> NatsConnection:
        access = await asyncio.to_thread(NatsAccess.of_user, self._users, user)
        opened = await NatsConnection.open(self._url, name=user, access=access)
        self._stack.push_async_callback(opened.close)
        return opened


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    found = nats_users.accounts()
    config = found.config(await asyncio.to_thread(passwords_in, tmp_path / "users", found.names))
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0, accounts=config))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        yield Accounts(server.url, tmp_path / "users", stack)


async def test_the_user_of_the_monitor_may_do_what_its_jobs_need(accounts: Accounts) -> None:
    gateway, scheduler, store = [await accounts.connect(user) for user in ("gateway", "scheduler", "storage")]
    await streams.ensure_streams(gateway)
    await streams.ensure_venue(gateway, "testex")
    await NatsKeyValue.open(gateway, streams.SOURCE_POSITIONS)
    await NatsKeyValue.open(store, streams.STORE_RANGES)
    storage = Service("storage", store)
    storage.metrics.gauges("store_disk_free_bytes", ("disk",), {("default",): 50.0})
    storage.metrics.gauges("store_disk_bytes", ("disk",), {("default",): 100.0})
    own = await accounts.connect("monitor")
    async with running(storage), running(MonitorService(own)):
        await ensure_job_streams(scheduler)
        claims = await JobClaims.open(scheduler)
        ends = {}
        for handler in HANDLERS:
            run = JobRun(f"rights.{handler}", "rights", handler, time.time_ns(), 1, {})
            await submit_run(scheduler, "monitor", run)
            async with asyncio.timeout(20):
                while (end := await claims.get(run.key)) is None or not end.is_final:
                    await asyncio.sleep(0.02)
            ends[handler] = end
    assert {name: end.reason for name, end in ends.items() if end.status is not ClaimStatus.SUCCEEDED} == {}
    assert ends["health_sweep"].output["disks"] == 1
