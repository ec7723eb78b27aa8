"""A monitor and small services that follow the central configuration, on one server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import msgspec

from marketprism_application.contracts.config_records import CentralLayer, ChangeReport
from marketprism_sdk.messaging import REGISTRY, Discovery, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_services.monitor.service import MonitorService
from marketprism_services.platform.config_follower import ConfigFollower
from marketprism_services.platform.config_watch import ConfigWatch, LastGood, follower_at_start
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.metrics import METRICS
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers
from tests.support.services import running

T = TypeVar("T")


class Small:
    """A service with nothing but its configuration; what was applied of it, in order."""

    def __init__(self, service: Service, follower: ConfigFollower, appliers: Appliers) -> None:
        self.service = service
        self.follower = follower
        self.appliers = appliers
        self.levels: list[str] = []
        self.rates: list[int] = []
        appliers.on("log.level", lambda given: self.levels.append(given.log.level))
        appliers.on("trace.every", lambda given: self.rates.append(given.trace.every))

    @property
    def key(self) -> str:
        return f"{self.service.name}.{self.service.instance}"


class ConfigPlace:
    """Asked over NATS, as the command line does."""

    def __init__(self, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self.url = url
        self.folder = folder
        self.stack = stack
        self.connection: NatsConnection
        self.monitor: MonitorService
        self.asked: str | None = None

    async def begin(self, confirm_s: float = 10.0) -> None:
        """A connection, and a monitor."""
        self.connection = await NatsConnection.open(self.url)
        self.stack.push_async_callback(self.connection.close)
        self.monitor = await self.another_monitor(confirm_s)

    async def another_monitor(self, confirm_s: float = 10.0) -> MonitorService:
        connection = await self.connection.another("monitor")
        self.stack.push_async_callback(connection.close)
        monitor = MonitorService(connection, confirm_s=confirm_s, settings=ServiceSettings(metrics=METRICS))
        await self.stack.enter_async_context(running(monitor))
        return monitor

    async def small(
        self,
        name: str = "gateway",
        *,
        file: dict[str, object] | None = None,
        above: dict[str, object] | None = None,
        veto: Callable[[Settings], None] | None = None,
        folder: str = "data",
    ) -> Small:
        connection = await self.connection.another(name)
        self.stack.push_async_callback(connection.close)
        layers = Layers({"data_dir": str(self.folder / folder), **(file or {})}, (above or {},))
        appliers = Appliers()
        if veto is not None:
            appliers.veto(veto)
        follower = await follower_at_start(connection, layers, name, appliers)
        service = Service(name, connection, settings=ServiceSettings(metrics=METRICS))
        small = Small(service, follower, appliers)
        ConfigWatch(service, follower, LastGood.of(follower.settings.data_dir, name))
        await self.stack.enter_async_context(running(service))
        await self.until(lambda: self.follows(small))
        return small

    def follows(self, small: Small) -> bool:
        """Whether it says in the registry which version it has."""
        registration = small.service.registration
        return registration is not None and "config_version" in registration.record.metadata

    async def until(self, holds: Callable[[], bool], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.005)

    async def copied(self, copy: LastGood, version: int) -> None:
        """Wait until a copy on disk is of a version."""
        async with asyncio.timeout(10):
            while (kept := await asyncio.to_thread(copy.read)) is None or kept.version != version:
                await asyncio.sleep(0.01)

    async def ask(self, method: str, kind: type[T], **values: object) -> T:
        """Of some monitor, or of the one that is to be asked."""
        calls = RpcClient(self.monitor.bus)
        answer = await calls.call("monitor", f"config_{method}", values, timeout_s=60.0, instance=self.asked)
        return msgspec.convert(answer, kind)

    async def set(self, name: str, value: object, **more: object) -> ChangeReport:
        return await self.ask(
            "set", ChangeReport, **{"changes": {name: value}, "reason": "a test", "who": "ann", **more}
        )

    async def layer(self) -> CentralLayer:
        return await self.ask("layer", CentralLayer)

    async def address_of(self, service: str) -> str:
        """Where an instance of a service answers over HTTP."""
        discovery = Discovery(NatsKeyValue.existing(self.connection, REGISTRY))
        async with asyncio.timeout(20):
            while True:
                await discovery.refresh()
                for record in discovery.instances(service):
                    if "config_version" in record.metadata:
                        return record.endpoints["http"]
                await asyncio.sleep(0.05)
