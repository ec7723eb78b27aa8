"""Streams and buckets that somebody deletes while the pipeline runs: made again by those who write them, and told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.rights import STREAM_ADVISORIES
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_domain.events.pipeline import StreamMadeAnew
from marketprism_sdk.errors import SdkError, StreamMissing
from marketprism_sdk.messaging import DEAD_LETTERS, DONE, DONE_S, REGISTRY, TTL_S, ensure_command_streams
from marketprism_sdk.messaging import STREAM as COMMANDS
from marketprism_sdk.nats.jetstream import ensure_stream, stream_info
from marketprism_sdk.nats.kv import bucket_config
from marketprism_sdk.service import Service

log = structlog.get_logger()

_LOOK_S = 2.0  # where something is missing, or the last look failed
_TOLD_LOOK_S = 10.0  # else: the server tells who listens that a stream was made or deleted
_BLIND_S = 15.0

Maker = Callable[[], Awaitable[object]]


class StreamKeeper:
    """Looks after what one service uses: `writes` with the way to make each, `reads` which others make.

    A stream that was there and is missing makes its health check unhealthy until it is there again.
    """

    def __init__(
        self, service: Service, writes: Mapping[str, Maker], reads: Iterable[str] = (), *, blind_s: float = _BLIND_S
    ) -> None:
        self._service = service
        self._blind_s = blind_s
        self._events = EventPublisher(service.connection, service.name, service.metrics)
        self._writes = dict(writes)
        self._names = (*writes, *(name for name in reads if name not in writes))
        self._created: dict[str, str] = {}
        self._missing: set[str] = set()
        self._untold: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._seen: dict[str, float] = {}  # when each was looked at last, by the monotonic clock
        for name in self._names:
            service.http.check(f"stream {name}", partial(self.health, name))

    @property
    def missing(self) -> frozenset[str]:
        """Streams that were there and are not."""
        return frozenset(self._missing)

    async def health(self, name: str) -> str:
        """Of one stream, as it was at the last look, which must not be long ago."""
        if name in self._missing:
            return "unhealthy: it is not there; who writes it makes it again"
        blind_s = time.monotonic() - self._seen.get(name, time.monotonic())
        return f"degraded: could not be looked at for {blind_s:.0f} s" if blind_s > self._blind_s else "healthy"

    def start(self) -> None:
        """Look for as long as the service runs."""
        self._service.spawn(self.run(), "streams")

    async def run(self) -> None:
        """Look when the server says that something changed, and every few seconds, until cancelled; a look that fails
        is repeated."""
        connection = self._service.connection
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._events.close)
            stack.callback(connection.on_reconnect(self._wake.set))
            for subject in STREAM_ADVISORIES:
                stack.push_async_callback(
                    await connection.subscribe(subject, lambda message: self._hears(message.subject))
                )
            while True:
                self._wake.clear()
                sure = False
                try:
                    await self.look()
                    sure = connection.connected and not self._missing and not self._untold
                except SdkError as error:
                    log.debug("streams.not_checked", error=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_TOLD_LOOK_S if sure else _LOOK_S):
                        await self._wake.wait()

    def _hears(self, subject: str) -> None:
        if subject.rpartition(".")[2] in self._names:
            self._wake.set()

    async def look(self) -> None:
        """Make what is missing, tell what was made anew. Raises SdkError when that does not work now."""
        for name in self._names:
            if not self._service.connection.connected:
                return
            try:
                created = await self._created_at(name)
            except StreamMissing:
                if name in self._created:
                    if name not in self._missing:
                        log.warning("stream.missing", stream=name, ours=name in self._writes)
                    self._missing.add(name)
                if name not in self._writes:
                    continue
                await self._writes[name]()
                created = await self._created_at(name)
            self._seen[name] = time.monotonic()
            self._missing.discard(name)
            before, self._created[name] = self._created.get(name, created), created
            if created != before:
                log.warning("stream.recreated", stream=name, created=created, detail="what it held is lost")
                self._service.metrics.count("streams_made_anew_total", stream=name)
                if name in self._writes:
                    self._untold[name] = created
        await self._tell()

    async def _created_at(self, name: str) -> str:
        return str((await stream_info(self._service.connection, name, within_s=0))["created"])

    async def _tell(self) -> None:
        """Everybody who writes a stream finds out and tells: one of them is heard."""
        for name, created in list(self._untold.items()):
            event = StreamMadeAnew(name.removeprefix("KV_"), created)
            try:
                await self._events.publish_once(event, f"made-anew-{name}-{created}")
            except SdkError as error:  # told at the next look
                log.debug("events.not_published", stream=name, error=str(error), events=["StreamMadeAnew"])
                return
            del self._untold[name]


def keep_streams(
    service: Service,
    layout: StreamLayout,
    *,
    writes: Iterable[str] = (),
    reads: Iterable[str] = (),
    buckets: Mapping[str, float | None] | None = None,
) -> StreamKeeper:
    """A keeper of market streams and buckets (by name, with the age of their entries) that runs with the service.

    Handlers of commands are to be mounted before.
    """
    connection = service.connection
    makers: dict[str, Maker] = {}

    async def market(name: str) -> Any:
        return await streams.ensure_one(connection, name, layout)

    for name in writes:
        makers[name] = partial(market, name)
    wanted: dict[str, float | None] = {REGISTRY: TTL_S, **(buckets or {})}
    if any(service.handlers("__command__")):
        wanted[DONE] = DONE_S
        for name in (COMMANDS, DEAD_LETTERS):
            makers[name] = partial(ensure_command_streams, connection, layout.replicas)
    for bucket, ttl_s in wanted.items():
        config = bucket_config(bucket, ttl_s, layout.replicas)
        makers[config["name"]] = partial(ensure_stream, connection, config)
    keeper = StreamKeeper(service, makers, reads)
    keeper.start()
    return keeper
