"""Every service of the pipeline in one process, on a NATS server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service
from marketprism_services.platform.catalogue import SERVICES, names, wiring_of
from marketprism_services.platform.config_watch import ConfigWatch, LastGood, follower_at_start
from marketprism_services.platform.container import Container
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers

for _row in SERVICES:  # not inside a loop, where importing one holds everything up
    wiring_of(_row)

NAMES = names()


class Pipeline:
    """Every service in this process, each made as `marketprism run` makes it."""

    def __init__(self, url: str, folder: Path) -> None:
        http = dict.fromkeys(NAMES, 0)
        source = {"spec": "sim:days=0,rate=4,instruments=rb2505", "speed": "20"}
        (archived := folder / "archived").mkdir(parents=True, exist_ok=True)
        self._layers = Layers(
            {
                "data_dir": str(folder),
                "nats": {"url": url},
                "http": http,
                "source": source,
                "archive": {"place": str(archived)},
            }
        )
        self.settings: Settings = self._layers.settings()
        self.services: dict[str, Service] = {}
        self._tasks: dict[str, asyncio.Task[int]] = {}
        self._stop = asyncio.Event()
        self._connections: list[NatsConnection] = []

    async def start(self) -> None:
        self._stop.clear()
        for name in NAMES:
            connection = await NatsConnection.open(str(self.settings.nats.url), name=name)
            self._connections.append(connection)
            appliers = Appliers()
            follower = await follower_at_start(connection, self._layers, name, appliers)
            service = Container(follower.settings, connection, appliers).service(name)
            ConfigWatch(service, follower, LastGood.of(self.settings.data_dir, name))
            self.services[name] = service
            self._tasks[name] = asyncio.create_task(service.run(self._stop))
        async with asyncio.timeout(90):
            while not all(service.http.ready for service in self.services.values()):
                assert self.ended() == {}
                await asyncio.sleep(0.05)

    def ended(self) -> dict[str, Any]:
        """Who has ended, each with its error or its exit code."""
        return {name: task.exception() or task.result() for name, task in self._tasks.items() if task.done()}

    async def stop(self) -> list[int]:
        self._stop.set()
        codes = await asyncio.gather(*self._tasks.values())
        for connection in self._connections:
            await connection.close()
        return codes
