"""The product's services as processes of their own, on a NATS and a ClickHouse server, fed by generated ticks."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.nodes.lab import LIBFAKETIME

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_sdk.messaging import REGISTRY, TTL_S, Discovery
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.testing import Child
from tests.histories.generated_load import SOURCE

_ROOT = Path(__file__).parents[2]
_START_S = 300.0
_OFF_S = 3


class Product:
    """`counts` says how many of each service there are; their names are `service-0`, `service-1` and so on."""

    def __init__(
        self,
        folder: Path,
        nats: str,
        store: Mapping[str, str],
        counts: Mapping[str, int],
        *,
        instruments: int,
        rate: float,
        replicas: int = 1,
    ) -> None:
        self.folder = folder
        self._nats = nats
        self._config = folder / "settings.json"
        self._replicas = replicas
        self._names = [f"{service}-{number}" for service, count in counts.items() for number in range(count)]
        self._source = ("--source", f"{SOURCE}:{instruments},{rate:g}", "--speed", "max")
        self.children: dict[str, Child] = {}
        self._changing = asyncio.Lock()
        self.connection: NatsConnection
        self._registry: Discovery
        self._config.parent.mkdir(parents=True, exist_ok=True)
        settings = {
            "data_dir": str(folder / "data"),
            "nats": {"url": nats, "replicas": replicas},
            "http": dict.fromkeys(counts, 0),
            "store": dict(store),
            "bars": {"intervals": ["1m", "5m"]},
            "log": {"level": "warning"},
        }
        self._config.write_text(json.dumps(settings), encoding="utf-8")

    async def start(self) -> None:
        """Everything, up. Raises RuntimeError where a service does not come up."""
        self.connection = await NatsConnection.open(self._nats, name="run")
        await streams.ensure_streams(self.connection, StreamLayout(replicas=self._replicas))
        bucket = await NatsKeyValue.open(self.connection, REGISTRY, ttl_s=TTL_S, replicas=self._replicas)
        self._registry = Discovery(bucket)
        await self._registry.start()
        for name in self._names:
            await self.begin(name)
            await self._up(name)

    async def supervise(self) -> None:
        """Whoever has ended is started again, until this is cancelled."""
        while True:
            for name in self._names:
                await self.again(name)
            await asyncio.sleep(0.5)

    async def again(self, name: str, clock: float = 1.0) -> None:
        """A process that has ended is started again; one that runs, for another clock only."""
        async with self._changing:
            if not self.children[name].alive or clock != 1.0:
                self.children[name].kill()
                await self.begin(name, clock)

    async def begin(self, name: str, clock: float = 1.0) -> None:
        """A process, or its next life; where `clock` is not 1 its wall clock is some seconds off."""
        old = self.children.get(name)
        if old is not None:
            await old.end()
        service = name.rpartition("-")[0]
        gateway = service == "gateway"
        program = ["tests.histories.generated_load"] if gateway else ["marketprism_services", "run", service]
        command = [sys.executable, "-m", *program, "--config", str(self._config), *(self._source if gateway else ())]
        environment = {"PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])}
        library = next((path for path in LIBFAKETIME if Path(path).exists()), "")
        if clock != 1.0 and library:
            off = f"{_OFF_S if clock > 1 else -_OFF_S:+d}s"
            environment |= {"LD_PRELOAD": library, "FAKETIME": off, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        child = Child(command, self._told, name=name, env=environment)
        await child.start()
        self.children[name] = child

    def _told(self, child: Child, line: dict[str, Any]) -> None:
        with (self.folder / "services.log").open("a", encoding="utf-8") as log:
            log.write(json.dumps({"process": child.name, **line}) + "\n")

    async def _up(self, name: str) -> None:
        child, end = self.children[name], time.monotonic() + _START_S
        while child.alive and time.monotonic() < end:
            if any(status not in ("starting", "failed") for status, _ in self._found(name)):
                return
            await asyncio.sleep(0.1)
        log = self.folder / "services.log"
        text = log.read_text(encoding="utf-8")[-3_000:] if log.exists() else ""
        raise RuntimeError(f"{name}: expected it up, was {child.process.returncode}: {text}")

    def _found(self, name: str) -> list[tuple[str, str]]:
        child, service = self.children[name], name.rpartition("-")[0]
        records = self._registry.instances(service)
        return [(r.status, r.endpoints.get("http", "")) for r in records if f"-{child.pid}-" in r.instance]

    def endpoint(self, name: str) -> str:
        """Where a process answers over HTTP; empty while that is not known."""
        return next((url for _, url in self._found(name)), "")

    async def close(self) -> None:
        """Nothing of it runs on."""
        for child in self.children.values():
            child.thaw()
            child.kill()
            await child.end()
        if hasattr(self, "_registry"):
            await self._registry.stop()
            await self.connection.close()


__all__ = ["Product"]
