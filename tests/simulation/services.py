"""The product's services as programs of machines, made as `marketprism run` makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.gateway.packing import TickPacker
from marketprism_domain.gateway import RetryPolicy
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from marketprism_sdk.partitions import partition_of
from marketprism_sdk.service import Service, ShardedService, SingleActiveService
from marketprism_services.gateway.service import GatewayService
from marketprism_services.platform.catalogue import row_of, wiring_of
from marketprism_services.platform.container import Container
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import VERSION
from tests.simulation.venue import Venue, feed_of
from tests.simulation.world import URL, Machine, World

PARTITIONS = 3
LENGTHS = (1, 5, 30)  # of bars, in minutes
_SNAPSHOT_S = 0.5  # a schedule is short: state is restored from snapshots all the same
_CALENDAR = chinese_calendar_of_markets()  # with its holidays, read once for all schedules

for _name in ("validator", "aggregator"):
    wiring_of(row_of(_name))


def settings_of(replicas: int, revision_window_s: float) -> Settings:
    """Of every service of a schedule."""
    return Layers(
        {
            "data_dir": "/nowhere",
            "nats": {"url": URL, "replicas": replicas},
            "streams": {"partitions": PARTITIONS},
            "bars": {
                "intervals": [f"{length}m" for length in LENGTHS],
                "revision_window_s": revision_window_s,
            },
        }
    ).settings()


class Leading:
    """What the watch over leaders looks at: a service that takes part in an election, perhaps not yet."""

    def __init__(self, service: SingleActiveService) -> None:
        self.service = service

    def is_leader(self) -> bool:
        election = getattr(self.service, "election", None)
        return election is not None and election.is_leader()


class Stops:
    """Asks services to end in order, as a rolling restart does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._of: dict[str, tuple[int, asyncio.Event]] = {}

    async def run(self, machine: Machine, service: Service) -> None:
        """Until it is asked to end, or fails."""
        stop = asyncio.Event()
        self._of[machine.name] = machine.lives, stop
        if code := await service.run(stop):
            raise RuntimeError(f"{service.name} ended with {code}")

    def stop(self) -> str:
        """One of those that run."""
        able = [
            (name, stop)
            for name, (life, stop) in self._of.items()
            if self._world.machines[name].alive and self._world.machines[name].lives == life and not stop.is_set()
        ]
        if not able:
            return ""
        name, stop = self._world.loop.dice.choice(able)
        stop.set()
        return f"{name} is to end"


async def gateway(machine: Machine, stops: Stops, settings: Settings, venue: Venue) -> None:
    """A gateway before the venue."""
    logs.log_as("gateway")
    connection = await NatsConnection.open(URL, name=machine.name)
    calendar = _CALENDAR.copy()
    made = GatewayService(
        connection,
        feed_of(venue, machine.world.loop.dice),
        partial(TickPacker, calendar, partial(partition_of, count=PARTITIONS), grace_s=settings.bars.grace_s),
        calendar,
        group="default",
        retry=RetryPolicy(0.1, 0.5),
        lease=settings.lease,
        version=VERSION,
        settings=service_settings_of(settings, "gateway"),
    )
    machine.state = Leading(made)
    await stops.run(machine, made)


async def stage(machine: Machine, stops: Stops, settings: Settings, name: str) -> None:
    """A validator or an aggregator."""
    logs.log_as(name)
    connection = await NatsConnection.open(URL, name=machine.name)
    made = Container(settings, connection).service(name)
    assert isinstance(made, ShardedService)
    made.stage_settings = replace(made.stage_settings, snapshot_every_s=_SNAPSHOT_S, look_s=1.0)
    machine.state = made
    await stops.run(machine, made)


def program(work: Callable[..., Awaitable[None]], *given: object) -> Callable[[Machine], Awaitable[None]]:
    """A program of a machine."""

    async def life(machine: Machine) -> None:
        await work(machine, *given)

    return life
