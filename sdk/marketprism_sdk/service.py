"""Service: a process with a name, and what every such process needs.

Subclass it, mark handlers with `@rpc` and `@command`, override `on_start`, `work` and `on_stop`, and `await run(…)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from aiohttp import web

from marketprism_sdk.bus import NatsBus
from marketprism_sdk.commands import CommandReceiver, ensure_command_streams
from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.health import HealthServer
from marketprism_sdk.metrics import Metrics
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.registry import TTL_S, Registration
from marketprism_sdk.rpc import RpcClient, RpcServer

log = structlog.get_logger()

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where the service listens. `http_port` 0 takes any free port; the registry says which."""

    http_host: str = "127.0.0.1"
    http_port: int = 0
    replicas: int = 1
    with_commands: bool = True


def rpc(method: str, *, raw: bool = False) -> Callable[[F], F]:
    """Serve `rpc.<service>.<method>` with this method, on every instance. `raw`: bytes in, bytes out."""

    def mark(function: F) -> F:
        function.__rpc__ = (method, raw)  # type: ignore[attr-defined]
        return function

    return mark


def command(name: str) -> Callable[[F], F]:
    """Do commands `cmd.<service>.<name>` with this method."""

    def mark(function: F) -> F:
        function.__command__ = name  # type: ignore[attr-defined]
        return function

    return mark


class Service:
    """One instance of a service."""

    def __init__(
        self,
        name: str,
        connection: NatsConnection,
        *,
        version: str = "0",
        instance: str | None = None,
        settings: ServiceSettings | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.instance = instance or f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{secrets.token_hex(2)}"
        self.connection = connection
        self.settings = settings or ServiceSettings()
        self.metrics = Metrics(name)
        self.bus = NatsBus(connection)
        self.calls = RpcClient(self.bus)
        self.http = HealthServer(name, version, self.metrics)
        self.registration: Registration | None = None
        self._rpc = RpcServer(self.bus, name, self.instance, self.metrics)
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()  # some task has ended

    # -- for subclasses --------------------------------------------------------------------------------------------

    def routes(self) -> list[web.RouteDef]:
        """HTTP routes beside health and metrics."""
        return []

    async def on_start(self) -> None:
        """Before the service is announced."""

    async def work(self) -> None:
        """The main task; when it returns, the service stays up and answers."""

    async def on_stop(self) -> None:
        """After the last request, before the connection closes."""

    async def announce(self, status: str, **metadata: Any) -> None:
        """Change what the registry says of this instance."""
        if self.registration is not None:
            await self.registration.update(status=status, metadata=metadata)

    def spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        """Run a task for as long as the service; if it fails, the service fails."""
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        task.add_done_callback(lambda _: self._ended.set())
        self._tasks.append(task)
        return task

    # -- running ---------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set or a task fails. Exit code 0, or 1 after a failure.

        Raises:
            ConfigurationError: the HTTP port is taken.
        """
        await self._start()
        try:
            return await self._serve(stop)
        finally:
            await self._stop()

    async def _start(self) -> None:
        settings = self.settings
        registry = await NatsKeyValue.open(
            self.connection, "service_instances", ttl_s=TTL_S, replicas=settings.replicas
        )
        self.registration = Registration(registry, self.name, self.instance, self.version)
        self.http.check("nats", self._nats_health)
        self.http.app.add_routes(self.routes())
        try:
            await self.http.start(settings.http_host, settings.http_port)
        except OSError as error:
            where = f"{settings.http_host}:{settings.http_port}"
            raise ConfigurationError(f"http of {self.name}: expected a free port, {where}: {error.strerror}") from error
        await self.registration.update(endpoints={"http": f"http://{settings.http_host}:{self.http.port}"})
        await self.on_start()
        await self._mount()
        self.http.ready = True
        self.spawn(self.registration.run(), "heartbeat")
        self.spawn(self.work(), "work")
        if self.registration.record.status == "starting":
            await self.announce("active")
        log.info("service started", port=self.http.port)

    async def _nats_health(self) -> str:
        return "healthy" if self.connection.connected else "unhealthy"

    async def _mount(self) -> None:
        receiver = CommandReceiver(self.connection, self.name, self.metrics)
        commands = 0
        for attribute in dir(type(self)):
            function: Any = getattr(type(self), attribute, None)
            served, done = getattr(function, "__rpc__", None), getattr(function, "__command__", None)
            if served is not None:
                method, raw = served
                (self._rpc.add_raw if raw else self._rpc.add)(method, getattr(self, attribute))
            if done is not None:
                receiver.add(done, getattr(self, attribute))
                commands += 1
        await self._rpc.start()
        if commands and self.settings.with_commands:
            await ensure_command_streams(self.connection, self.settings.replicas)
            self.spawn(receiver.run(), "commands")

    async def _serve(self, stop: asyncio.Event) -> int:
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._ended.set())
        try:
            while True:
                await self._ended.wait()
                self._ended.clear()
                for task in self._tasks:
                    if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                        log.error("service failed", task=task.get_name(), error=repr(error), exc_info=error)
                        return 1
                if stopping.done():
                    return 0
        finally:
            stopping.cancel()

    async def _stop(self) -> None:
        self.http.ready = False
        await self.announce("draining")
        await self._rpc.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.on_stop()
        if self.registration is not None:
            await self.registration.leave()
        await self.http.stop()
        with contextlib.suppress(Exception):
            self.metrics.close()
