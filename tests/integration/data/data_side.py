"""A pipeline's storage, its read side, a simulated venue, and data services over them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.downloads.histories import budgets_of_market
from marketprism_adapters.nats.shared_budget import SharedBudget
from marketprism_adapters.nats.streams import EVENTS
from marketprism_adapters.venues.simulator.history_server import SimulatedHistoryServer
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.data_jobs import JobShown
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_sdk.election import LEASES
from marketprism_sdk.errors import DeadlineExceeded, NoResponders
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_services.data.files import FilePlaces
from marketprism_services.data.service import DataService
from marketprism_services.data.venues import VenueHistories
from marketprism_services.query.service import QueryService
from tests.integration.history.history_side import Side, side_of
from tests.support.downloads import simulated
from tests.support.services import running

CALENDAR = chinese_calendar_of_markets()


class DataSide:
    """What is asked of the service, and what the store has."""

    def __init__(self, side: Side, venue: SimulatedHistoryServer) -> None:
        self.side, self.venue = side, venue
        self._calls = RpcClient(NatsBus(side.market.connection))

    async def ask(self, name: str, **values: object) -> Any:
        """The answer of `rpc.data.<name>`. Raises RemoteError."""
        return await self._calls.call("data", name, values, timeout_s=10.0, idempotent=name in ("job", "jobs"))

    async def served(self) -> None:
        """Some service answers."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.ask("jobs")
                    return
                except NoResponders:
                    await asyncio.sleep(0.05)

    async def leader_pid(self) -> int:
        """The process that leads, 0 where none does now: an instance's name has it."""
        leaders = NatsKeyValue.existing(self.side.market.connection, LEASES)
        entry = await leaders.get("data.default")
        found = re.search(rb"-(\d+)-", entry.value) if entry is not None else None
        return int(found[1]) if found is not None else 0

    async def told(self, job_id: str) -> dict[str, dict[str, Any]]:
        """What was told of a job, each event once, by its name; how it ended is the last."""
        async with asyncio.timeout(30):
            while True:
                messages = await read_stream(self.side.market.connection, EVENTS, ["market.event.>"])
                records = [decode(EVENT, message.data) for message in messages]
                mine = [record for record in records if record.data.get("job") == job_id]
                if mine and mine[-1].name == "DataJobEnded":
                    assert len({record.name for record in mine}) == len(mine)
                    return {record.name: record.data for record in mine}
                await asyncio.sleep(0.05)

    async def begun(self, name: str, **values: object) -> JobShown:
        """A job that was made."""
        return msgspec.convert(await self.ask(name, **values), JobShown)

    async def until(self, job_id: str, fits: Callable[[JobShown], bool]) -> JobShown:
        """The job, when something is true of it."""
        async with asyncio.timeout(90):
            while True:
                try:
                    job = msgspec.convert(await self.ask("job", id=job_id), JobShown)
                except (NoResponders, DeadlineExceeded):  # whoever was asked is killed
                    await asyncio.sleep(0.1)
                    continue
                if fits(job):
                    return job
                await asyncio.sleep(0.05)

    async def ended(self, job_id: str) -> JobShown:
        """The job, when it has ended."""
        return await self.until(job_id, lambda job: job.stage.is_final)


def data_service(
    connection: NatsConnection,
    rest_url: str,
    workers: int = 2,
    places: FilePlaces | None = None,
    *,
    is_simulated: bool | None = False,
) -> DataService:
    """A service whose venues are the simulated one, which counts as a real one beside files unless it
    `is_simulated`; what its budgets allow is not waited for."""

    def budget(market: str) -> SharedBudget:
        quick = dict.fromkeys(budgets_of_market(market), (1_000_000.0, 1_000_000.0))
        return SharedBudget(connection, "test", market, quick)

    venues = VenueHistories({"binance": rest_url}, "", budget, simulated=is_simulated)
    return DataService(connection, lambda: CALENDAR, venues, workers=workers, places=places)


@asynccontextmanager
async def data_side_of(
    folder: Path, services: int = 1, is_simulated: bool | None = False, **venue: Any
) -> AsyncIterator[DataSide]:
    """NATS, storage, read side, venue, and so many data services of this process, whose venue `is_simulated` or counts
    as a real one."""
    async with AsyncExitStack() as stack:
        side = await stack.enter_async_context(side_of(folder))
        places = FilePlaces(folder / "in", folder / "out")
        simulation = await stack.enter_async_context(simulated("binance", **venue))
        for name in ("query", *(f"data-{number}" for number in range(services))):
            connection = await NatsConnection.open(side.url, name=name)
            stack.push_async_callback(connection.close)
            made = (
                QueryService(connection, ReadRules(CALENDAR, ("1m", "5m", "1d")))
                if name == "query"
                else data_service(connection, simulation.rest_url, places=places, is_simulated=is_simulated)
            )
            await stack.enter_async_context(running(made))
        yield DataSide(side, simulation)
