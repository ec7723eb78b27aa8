"""Watches the servers that `up` has started: nats-server, ClickHouse.

One that ended is started again, on the same port and data. One that answers nothing, or refuses to write although there
is room, is ended first: nats-server does not write to a stream again that once met a full disk. While the disk is full
nothing is started again in vain; it is said, with the folder and what is left there, until there is room.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from marketprism_adapters.nats.local_server import hold_port
from marketprism_application.errors import ApplicationError
from marketprism_sdk.errors import SdkError, StreamError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last, ensure_stream, publish_ack
from marketprism_services.platform.ending import stop_requested

log = structlog.get_logger()

PROBE_STREAM = "MARKETPRISM_PROBE"
PROBE_SUBJECT = "marketprism.probe"
_PROBE_BYTES = 64 << 10


def held_port(stack: AsyncExitStack) -> int:
    """A free port that nobody else is given until `stack` is left."""
    port: int = stack.enter_context(hold_port()).getsockname()[1]
    return port


class WatchPolicy(NamedTuple):
    """How often to look, how long to wait, how much room is enough."""

    look_s: float = 0.1
    probe_s: float = 2.0
    answer_s: float = 5.0
    patience_s: float = 15.0
    full_bytes: int = 1 << 20
    room_bytes: int = 64 << 20
    first_backoff_s: float = 0.1
    longest_backoff_s: float = 5.0
    longest_wedged_s: float = 60.0
    calm_s: float = 30.0


class WatchedServer(Protocol):
    """A server process on this machine."""

    @property
    def name(self) -> str:
        """What it is, for people."""
        ...

    @property
    def folder(self) -> Path:
        """Where its data is."""
        ...

    @property
    def ended(self) -> int | None:
        """Exit code of a process that is no more (it is reaped then), None while it runs."""
        ...

    @property
    def stays_stuck(self) -> bool:
        """Whether it must be started again after its disk was full, to write again."""
        ...

    def write_error(self) -> str:
        """The last thing it has said, since the last call, about not being able to write; empty for nothing."""
        ...

    async def restart(self) -> None:
        """End what still runs and start it again. Raises ApplicationError."""
        ...


class ServerWatch:
    """Keeps one server alive from `start` until `stop`; once `ending` is set nothing is started any more."""

    def __init__(
        self,
        server: WatchedServer,
        probe: Callable[[], Awaitable[object]],
        policy: WatchPolicy | None = None,
        ending: asyncio.Event | None = None,
    ) -> None:
        self._server = server
        self._probe = probe
        self._policy = policy or WatchPolicy()
        self._ending = ending or asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._cannot_write = ""
        self._full = False
        self._well = self._started = time.monotonic()
        self._backoff_s = self._policy.first_backoff_s
        self._wedged_s = 1.0
        self.restarts = 0

    async def start(self) -> None:
        """Begin to watch; from the task that will start it again."""
        self._well = self._started = time.monotonic()
        self._task = asyncio.create_task(self._watch(), name=f"watch-{self._server.name}")

    async def stop(self) -> None:
        """Watch no longer; the server is left as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        due = time.monotonic() + self._policy.probe_s
        while not self._ending.is_set():
            await asyncio.sleep(self._policy.look_s)
            try:
                if (code := self._server.ended) is not None:
                    if await stop_requested(code, self._ending):
                        return
                    await self._start_again(f"it ended with code {code}")
                elif time.monotonic() >= due:
                    await self._examine()
                    due = time.monotonic() + self._policy.probe_s
            except Exception:
                # Whoever watches the others must not be the first to go.
                log.exception("server.watch_failed", server=self._server.name)
                await asyncio.sleep(self._policy.probe_s)

    async def _examine(self) -> None:
        self._cannot_write = await asyncio.to_thread(self._server.write_error) or self._cannot_write
        silence = await self._silence()
        now = time.monotonic()
        if not silence:
            self._well = now
        free = await self._free()
        if free < self._policy.full_bytes and self._server.stays_stuck and not self._cannot_write:
            # What it has to say about that goes to a log on the same disk, which takes it no more than the rest.
            self._cannot_write = "its disk was full"
        if self._cannot_write or free < self._policy.full_bytes:
            if not self._has_room(free):
                return
            if self._cannot_write:
                await self._unwedge(f"it does not write although there is room: {self._cannot_write}")
            return
        if silence and now - self._well > self._policy.patience_s:
            await self._unwedge(f"no answer for {now - self._well:.0f} s: {silence}")
        elif not silence and self._full:
            self._full = False
            log.warning(
                "server.disk_has_room", server=self._server.name, folder=str(self._server.folder), free_bytes=free
            )

    async def _silence(self) -> str:
        """Why it does not answer; empty when it does."""
        try:
            async with asyncio.timeout(self._policy.answer_s):
                await self._probe()
        except TimeoutError:
            return f"nothing within {self._policy.answer_s:g} s"
        except (SdkError, ApplicationError, OSError) as error:
            return reason_of(error)
        return ""

    async def _free(self) -> int:
        return (await asyncio.to_thread(shutil.disk_usage, self._server.folder)).free

    def _has_room(self, free: int) -> bool:
        if free >= self._policy.room_bytes:
            return True
        if not self._full:
            self._full = True
            log.error(
                "server.disk_full",
                server=self._server.name,
                folder=str(self._server.folder),
                free_bytes=free,
                needed_bytes=self._policy.room_bytes,
                error=self._cannot_write or "no room is left",
                what="disk full: nothing is written until there is room; it goes on by itself then",
            )
        return False

    async def _unwedge(self, reason: str) -> None:
        """End and start one that runs; not again and again at once, if that does not help."""
        if time.monotonic() - self._started < self._wedged_s:
            return
        self._wedged_s = min(self._wedged_s * 2, self._policy.longest_wedged_s)
        await self._start_again(reason)

    async def _start_again(self, reason: str) -> None:
        if time.monotonic() - self._started > self._policy.calm_s:
            self._backoff_s = self._policy.first_backoff_s
        log.warning("server.restarting", server=self._server.name, reason=reason, backoff_s=self._backoff_s)
        await asyncio.sleep(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, self._policy.longest_backoff_s)
        self._started = time.monotonic()
        self.restarts += 1
        try:
            await self._server.restart()
        except ApplicationError as error:
            log.warning("server.not_started", server=self._server.name, error=str(error))
            free = await self._free()
            if free < self._policy.full_bytes:
                self._has_room(free)
            return
        self._cannot_write = ""
        self._well = self._started = time.monotonic()
        log.warning("server.restarted", server=self._server.name, restarts=self.restarts)


class JetStreamProbe:
    """One message through JetStream and back: written to a file, and read from there."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def __call__(self) -> None:
        """Write and read.

        Raises:
            SdkError: no answer, a refusal, or another message than the one that was written.
        """
        sent = secrets.token_hex(8).encode()
        try:
            await publish_ack(self._connection, PROBE_SUBJECT, sent)
        except StreamError:
            await ensure_stream(self._connection, _PROBE, within_s=1)
            await publish_ack(self._connection, PROBE_SUBJECT, sent)
        found = await direct_get_last(self._connection, PROBE_STREAM, PROBE_SUBJECT)
        if found is None or found.data != sent:
            raise StreamError(f"stream {PROBE_STREAM}: expected the message that was just written, was another")


_PROBE = {
    "name": PROBE_STREAM,
    "subjects": [PROBE_SUBJECT],
    "storage": "file",
    "retention": "limits",
    "discard": "old",
    "max_msgs": 1,
    "max_bytes": _PROBE_BYTES,
    "num_replicas": 1,
    "allow_direct": True,
}
