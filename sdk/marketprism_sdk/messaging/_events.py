"""Events: something happened, said once by its owner; others broadcast it to every instance or compete for it.

`event.<service>.<Name>`, MessagePack of the event's fields. Core NATS: at most once, to who is there. What must not be
missed belongs into a stream.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging._bus import DEFAULT_CAPACITY, BusMessage, MessageBus
from marketprism_sdk.observability import continue_trace, trace_headers
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.ports import Stop

if TYPE_CHECKING:
    from marketprism_sdk.observability import Metrics

log = get_logger(__name__)

Mode = Literal["broadcast", "compete"]


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """An event as a handler sees it."""

    service: str
    name: str
    body: Any


EventHandler = Callable[[Event], Awaitable[None]]


class Events:
    """Events of one service, and others' events for it."""

    def __init__(self, bus: MessageBus, service: str, metrics: Metrics) -> None:
        self._bus = bus
        self._service = service
        self._metrics = metrics
        self._stops: list[Stop] = []

    async def publish(self, event: object) -> None:
        """Say an event: a dataclass or msgspec struct, its class name is the event's name. Raises NotConnected."""
        name = type(event).__name__
        body = msgspec.msgpack.encode(event)
        await self._bus.publish(f"event.{self._service}.{name}", body, trace_headers())
        self._metrics.count("events_published_total", event=name)

    async def try_publish(self, event: object) -> None:
        """Say it if that is possible now; what could not be said is counted."""
        try:
            await self.publish(event)
        except SdkError as error:
            self._metrics.count("event_publish_failures_total", event=type(event).__name__)
            log.debug("events.not_published", events=[type(event).__name__], error=str(error))

    async def on(
        self, service: str, name: str, handler: EventHandler, *, mode: Mode, capacity: int = DEFAULT_CAPACITY
    ) -> None:
        """Handle `name` (or `*`) of `service` (or `*`).

        `broadcast`: every instance gets every event. `compete`: of all instances of this service one gets it. When the
        handler is slower than its events the oldest are dropped and counted.
        """

        async def handle(message: BusMessage) -> None:
            _, whose, what = message.subject.split(".", 2)
            with continue_trace(message.headers, "event"):
                try:
                    body = msgspec.msgpack.decode(message.data)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
                    self._metrics.count("events_malformed_total")
                    log.warning("event.malformed", subject=message.subject)
                    return
                try:
                    await handler(Event(whose, what, body))
                except Exception:
                    self._metrics.count("event_failures_total", event=name)
                    log.exception("event.handler_failed", subject=message.subject)

        def dropped(_: BusMessage) -> None:
            self._metrics.count("events_dropped_total", event=name)

        queue = f"events-{self._service}" if mode == "compete" else ""
        self._stops.append(
            await self._bus.subscribe(
                f"event.{service}.{name}", handle, queue=queue, capacity=capacity, on_drop=dropped
            )
        )

    async def stop(self) -> None:
        """Unsubscribe all handlers: events are not handled any more."""
        stops, self._stops = self._stops, []
        await asyncio.gather(*(stop() for stop in stops))  # each may wait for a handler: at once, not in turn
