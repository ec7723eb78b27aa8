"""MARKET_DATA as one leader of a gateway writes it: fenced, and each message once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.last_published import read_left_off
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_application.contracts.venue_messages import Message, Subjects, encode_message, message_id
from marketprism_application.ports.sources import ResumePoint
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.streams import FencedPublisher, fenced_publisher, raise_fence

_ID = "Nats-Msg-Id"


class MarketDataLog:
    """Messages of the kinds that venues send, each under its own subject.

    A message has the name that its venue's sequence gives it: what another collector of the same venue published a
    moment ago is not stored a second time. Opened with the first message: most sources have none.
    """

    def __init__(
        self,
        connection: NatsConnection,
        group: str,
        instance: str,
        epoch: int,
        layout: StreamLayout,
        on_fenced: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._group, self._instance, self._epoch = group, instance, epoch
        self._layout = layout
        self._on_fenced = on_fenced
        self._publisher: FencedPublisher | None = None
        self._venues: set[str] = set()
        self._subjects = Subjects()

    async def resume_point(self, venue: str, symbols: Sequence[str], since: int) -> ResumePoint:
        """Where whoever wrote before left off; from now on it is refused."""
        if self._publisher is None:
            await self._open()
        await streams.ensure_venue(self._connection, venue, self._layout)
        return await read_left_off(self._connection, venue, symbols, since)

    async def send(self, messages: Sequence[Message]) -> None:
        """In order. Raises as `FencedPublisher.publish`."""
        if not messages:
            return
        publisher = self._publisher or await self._open()
        now = time.time_ns()
        for message in messages:
            if message.venue not in self._venues:
                await streams.ensure_venue(self._connection, message.venue, self._layout)
                self._venues.add(message.venue)
            message.epoch, message.ts_pub = self._epoch, now
            await publisher.publish(self._subjects.of(message), encode_message(message), {_ID: message_id(message)})

    async def _open(self) -> FencedPublisher:
        await streams.ensure_venue(self._connection, None, self._layout)
        fence = await raise_fence(
            self._connection, streams.DATA, f"fence.data.{self._group}", self._instance, self._epoch
        )
        self._publisher = await fenced_publisher(self._connection, fence, self._on_fenced)
        return self._publisher

    async def flush(self) -> None:
        """Everything sent is in the stream."""
        if self._publisher is not None:
            await self._publisher.flush(60)

    async def close(self) -> None:
        """Close the publisher; `flush` before says that everything is stored."""
        if self._publisher is not None:
            await self._publisher.close()


__all__ = ["MarketDataLog"]
