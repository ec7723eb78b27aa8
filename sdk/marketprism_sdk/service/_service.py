"""Service: a process with a name, and what every such process needs.

Subclass it, mark handlers with `@rpc`, `@command`, `@job`, `@event` and `@http`, or mount objects that have such
handlers; override `on_start`, `work`, `on_drain` and `on_stop`, and `await run(…)`.

At a stop: `on_drain` while everything still runs and answers; then the service is no longer ready, answers nothing any
more and ends its tasks; then `on_stop`; then it leaves the registry. A phase that raises does not keep the others from
being gone through.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any

from aiohttp import web

from marketprism_sdk.errors import ConfigurationError, DeadlineExceeded, reason_of
from marketprism_sdk.messaging import (
    CHECK_COMMAND,
    CHECK_JOB,
    DONE,
    DONE_S,
    HEALTH,
    HTTP,
    INTERFACE,
    JOB_HANDLERS,
    REGISTRY,
    TTL_S,
    Command,
    CommandReceiver,
    Discovery,
    Events,
    JobClaims,
    JobRunner,
    NatsBus,
    Registration,
    RpcClient,
    RpcServer,
    ensure_command_streams,
    ensure_job_streams,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import LoopWatch, Metrics, logs, shows_process
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.service._handlers import command, command_handler, event, job_handler, marked, rpc, rpc_handler
from marketprism_sdk.service._http_server import HttpServer
from marketprism_sdk.service._inspection import Inspection
from marketprism_sdk.service._lifecycle import unless
from marketprism_sdk.service._measures import measure
from marketprism_sdk.service._offering import Offering
from marketprism_sdk.service._service_manager import started
from marketprism_sdk.service._service_settings import ServiceSettings
from marketprism_sdk.service._work import Work

log = get_logger(__name__)

_NEEDS_LOOK_S = 0.1
_POLITE_S = 1.0  # for what is said at the end and runs out by itself when it is not


class Service:
    """One instance of a service. Instances of a service with groups do the commands of their own `group`."""

    group: str | None = None
    http_name: str | None = None  # the word of its HTTP paths, where it is the plural of its name

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
        self.instance: str = instance or f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{secrets.token_hex(2)}"
        self.connection = connection
        self.settings: ServiceSettings = settings or ServiceSettings()
        self.metrics: Metrics = Metrics(name, self.settings.metrics)
        self.bus: NatsBus = NatsBus(connection)
        self.calls: RpcClient = RpcClient(self.bus)
        self.http: HttpServer = HttpServer(
            name,
            version,
            self.metrics,
            self.settings.http_names,
            instance=self.instance,
            most_connections=self.settings.http_connections,
            tls=self.settings.http_tls,
        )
        self.registration: Registration | None = None
        self.events: Events = Events(self.bus, name, self.metrics)
        self._rpc = RpcServer(self.bus, name, self.instance, self.metrics)
        self._inspection = Inspection(self.bus, name, self.instance, self.metrics, self.http)
        self._watch = LoopWatch(self.metrics)
        measure(self.metrics, connection, self.bus, self.http)
        self._handlers: list[object] = [self]
        self._mounted = False
        self._runner: JobRunner | None = None
        self._work: list[Work] = []
        self._ended = asyncio.Event()  # some task has ended

    # -- for subclasses --------------------------------------------------------------------------------------------

    def routes(self) -> list[web.RouteDef]:
        """HTTP routes beside health and metrics."""
        return []

    async def on_start(self) -> None:
        """Before the service is announced."""

    async def work(self) -> None:
        """The main task; when it returns, the service stays up and answers."""

    async def on_drain(self) -> None:
        """At a stop, first: tasks run and requests are answered. Hand over and finish what needs them.

        A subclass of a service that has work of its own here, as SingleActiveService, calls that of its base.
        """

    async def on_stop(self) -> None:
        """At a stop, after the last request and the last task, before the connection closes. Let go what is held."""

    def meant_for(self, given: Command) -> str | None:  # noqa: ARG002 (a subclass that has groups looks into it)
        """The group that a command on the service's shared queue is for, None where it does not say."""
        return None

    def may_begin_jobs(self) -> bool:
        """Whether this instance takes runs of jobs now; what it does not take stays on the queue for others."""
        return True

    def cut_off_jobs(self, reason: str) -> None:
        """Cancel the runs that are being done here; they fail with the reason."""
        if self._runner is not None:
            self._runner.cut_off(reason)

    async def announce(self, status: str, **metadata: Any) -> None:
        """Change what the registry says of this instance."""
        if self.registration is not None:
            await self.registration.update(status=status, metadata=metadata)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> Work:
        """Run a task for as long as the service; if it fails, the service fails. Its handle can end it sooner."""
        spawned = Work(asyncio.create_task(work, name=name), self._ended.set)
        self._work.append(spawned)
        return spawned

    def mount(self, handlers: object) -> None:
        """Answer with the methods of an object that are marked as those of a service are; not after the start.

        Raises:
            ConfigurationError: the service has begun to answer.
        """
        if self._mounted:
            raise ConfigurationError(f"{self.name}: expected handlers before it answers, was {type(handlers).__name__}")
        self._handlers.append(handlers)

    def handlers(self, mark: str) -> Iterator[tuple[Any, Any]]:
        """(bound method, its mark) of every handler with a mark, as `__rpc__`, `__command__` or `__job__`."""
        for owner in self._handlers:
            yield from marked(owner, mark)

    # -- running ---------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set or a task fails. Exit code 0, or 1 after a failure.

        Raises:
            ConfigurationError: the HTTP port is taken.
        """
        try:
            has_started = await unless(stop, self._start())
        except Exception:
            await self._abandon()
            raise
        if has_started is None:
            # A start may wait long, for a service that it needs or a machine that is busy: the end must not. One that
            # was ready already has begun its work, and ends in order.
            await (self._stop() if self.http.ready else self._abandon())
            return 0
        try:
            return await self._serve(stop)
        finally:
            await self._stop()

    async def _start(self) -> bool:
        settings = self.settings
        registry = await NatsKeyValue.open(self.connection, REGISTRY, ttl_s=TTL_S, replicas=settings.replicas)
        await self._wait_for_needs(registry)
        if shows_process():  # several services of a process have one loop
            self._watch.start()
        self.registration = Registration(registry, self.name, self.instance, self.version)
        self.http.check("nats", self._nats_health)
        self.http.check("log", self._log_health)
        self.http.status(self._basics)
        self.http.app.add_routes(self.routes())
        await self._listen()
        await self._inspection.start()  # what takes long to start can be looked at
        await self.registration.update(
            endpoints={"http": f"{self.http.scheme}://{settings.http_host}:{self.http.port}"},
            metadata={
                "host": socket.gethostname(),
                "pid": os.getpid(),
                **({"group": self.group} if self.group else {}),
            },
        )
        await self.on_start()
        await self._mount()
        self.http.ready = True
        self.spawn(self.registration.run(), "heartbeat")
        self.spawn(self.work(), "work")
        if self.registration.record.status == "starting":
            await self.announce("active")
        log.info("service.started", port=self.http.port)
        started()
        return True

    async def _answer_health(self, _: object) -> dict[str, Any]:
        """For who cannot reach the HTTP side, which may listen at loopback of another machine."""
        return await self.http.report()

    def _basics(self) -> dict[str, object]:
        record = self.registration.record if self.registration is not None else None
        return {
            "instance": self.instance,
            "group": self.group or "",
            "status": record.status if record is not None else "",
            "ready": self.http.ready,
            "uptime_seconds": self.http.uptime_s(),
        }

    async def _listen(self) -> None:
        settings = self.settings
        try:
            await self.http.start(settings.http_host, settings.http_port)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE and settings.http_port
            if not (taken and settings.http_port_may_differ):
                where = f"{settings.http_host}:{settings.http_port}"
                hint = "; 0 takes any free one" if taken else ""
                raise ConfigurationError(
                    f"http of {self.name}: expected a free port, {where}: {reason_of(error)}{hint}"
                ) from error
            await self.http.start(settings.http_host, 0)
            log.warning("http.port_taken", service=self.name, port=settings.http_port, instead=self.http.port)

    async def _log_health(self) -> str:
        return logs.stream().health()

    async def _nats_health(self) -> str:
        return "healthy" if self.connection.connected else f"unhealthy: no connection to {self.connection.url}"

    async def _wait_for_needs(self, registry: NatsKeyValue) -> None:
        discovery = Discovery(registry)
        end = asyncio.get_running_loop().time() + self.settings.needs_s
        for need in self.settings.needs:
            while not any(record.status == "active" for record in discovery.instances(need)):
                if asyncio.get_running_loop().time() > end:
                    raise DeadlineExceeded(f"{self.name}: expected an active {need} within {self.settings.needs_s:g} s")
                await asyncio.sleep(_NEEDS_LOOK_S)
                await discovery.refresh()

    async def _mount(self) -> None:
        self._mounted = True
        calls, commands = self._by_name("__rpc__"), self._by_name("__command__")
        offered = commands if self.settings.with_commands else {}
        jobs = {name: method for name, (method, _) in self._by_name("__job__").items()}
        offering = Offering(self.name, self.version, offered, self.handlers("__http__"), jobs, http_name=self.http_name)
        self._rpc.add(HEALTH, self._answer_health)
        self._rpc.add(INTERFACE, offering.answer_interface)
        self._rpc.add(CHECK_COMMAND, offering.check_command)
        self._rpc.add(CHECK_JOB, offering.check_job)
        self._rpc.add(JOB_HANDLERS, offering.answer_jobs)
        self._rpc.add(HTTP, offering.answer_http)
        for name, (method, raw) in calls.items():
            if raw:
                self._rpc.add_raw(name, method)
            else:
                self._rpc.add(name, rpc_handler(name, method))
        for method, (service, name, mode) in self.handlers("__event__"):
            await self.events.on(service, name, method, mode=mode)
        await self._rpc.start()
        if self.registration is not None and (offering.interface.commands or offering.interface.requests):
            await self.registration.update(metadata={"interface": offering.interface.digest})
        if commands and self.settings.with_commands:
            replicas = self.settings.replicas
            await ensure_command_streams(self.connection, replicas)
            done = await NatsKeyValue.open(self.connection, DONE, ttl_s=DONE_S, replicas=replicas)
            parallel = self.settings.commands_parallel
            group, meant_for = self.group, self.meant_for
            receiver = CommandReceiver(
                self.connection, self.name, self.metrics, done=done, parallel=parallel, group=group, meant_for=meant_for
            )
            for name, (method, policy) in commands.items():
                receiver.add(name, command_handler(name, method), policy)
            await receiver.open()  # before it is ready: a command that comes first must not wait on another queue
            self.spawn(receiver.run(), "commands")
        if jobs and self.settings.with_commands:
            await self._do_jobs(jobs)

    async def _do_jobs(self, jobs: Mapping[str, Callable[..., Awaitable[object]]]) -> None:
        await ensure_job_streams(self.connection, self.settings.replicas)
        claims = await JobClaims.open(self.connection, self.settings.replicas)
        parallel, may_begin = self.settings.jobs_parallel, self.may_begin_jobs
        to_whom = (self.connection, self.name, self.instance, self.metrics)
        runner = JobRunner(*to_whom, claims=claims, parallel=parallel, may_begin=may_begin)
        for name, method in jobs.items():
            runner.add(name, job_handler(name, method))
        self._runner = runner
        await runner.open()
        self.metrics.watch("job_runs_running", lambda: float(runner.doing))
        self.spawn(runner.run(), "jobs")

    def _by_name(self, mark: str) -> dict[str, tuple[Any, Any]]:
        """(handler, its setting) by name. Raises ConfigurationError where a name has two."""
        found: dict[str, tuple[Any, Any]] = {}
        for method, (name, setting) in self.handlers(mark):
            if name in found:
                raise ConfigurationError(
                    f"{self.name}: expected one handler of {mark.strip('_')} {name}, was {found[name][0].__qualname__} "
                    f"and {method.__qualname__}"
                )
            found[name] = (method, setting)
        return found

    async def _serve(self, stop: asyncio.Event) -> int:
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._ended.set())
        try:
            while True:
                await self._ended.wait()
                self._ended.clear()
                if any(work.failed for work in self._work):
                    return 1
                self._work = [work for work in self._work if not work.done]
                if stopping.done():
                    return 0
        finally:
            stopping.cancel()

    async def _abandon(self) -> None:
        """End what a start had begun when it was told to stop; what it holds elsewhere runs out."""
        log.info("service.start_aborted")
        await self._end_tasks()
        await self._rpc.stop()
        await self._inspection.stop()
        if self.registration is not None:
            await self._politely(self.registration.leave())
        await self.http.stop()
        self._watch.stop()

    @staticmethod
    async def _politely(work: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(_POLITE_S):
                await work
        except TimeoutError:
            log.warning("registry.entry_not_removed", within_s=_POLITE_S, detail="no answer in time, it will expire")

    async def _end_tasks(self) -> None:
        ending, self._work = self._work, []
        for work in ending:
            work.request_cancel()
        await asyncio.gather(*(work.cancel() for work in ending))

    async def _stop(self) -> None:
        async with contextlib.AsyncExitStack() as phases:  # each is gone through, whatever another one raises
            phases.push_async_callback(self._leave)
            phases.push_async_callback(self.on_stop)
            phases.push_async_callback(self._end_answers)
            await self.on_drain()

    async def _end_answers(self) -> None:
        self.http.ready = False
        await self._politely(self.announce("draining"))
        await self._rpc.stop()
        await self.events.stop()
        await self._end_tasks()

    async def _leave(self) -> None:
        await self._inspection.stop()
        if self.registration is not None:
            await self._politely(self.registration.leave())
        await self.http.stop()
        self._watch.stop()
        with contextlib.suppress(Exception):
            self.metrics.close()


__all__ = ["Service", "command", "event", "rpc"]
