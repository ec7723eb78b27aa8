"""The probe of an election: a request that answers "no responders" as soon as the leader's connection is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg

from marketprism_sdk.errors import NoResponders, SdkError
from marketprism_sdk.nats.connection import NatsConnection


class NatsProber:
    """Serves and sends `ha.ping.<key>.<epoch>`."""

    def __init__(self, connection: NatsConnection, key: str) -> None:
        self._connection = connection
        self._key = key
        self._stop: Callable[[], Awaitable[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def _subject(self, epoch: int) -> str:
        return f"ha.ping.{self._key}.{epoch}"

    async def serve(self, epoch: int) -> None:
        """Answer for this epoch; again after a lapse, because a lost subscription looks like a dead leader."""
        await self.stop()
        self._stop = await self._connection.subscribe(self._subject(epoch), self._answer)

    def _answer(self, message: Msg) -> None:
        if message.reply:
            task = asyncio.get_running_loop().create_task(self._connection.publish(message.reply, b""))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Answer no longer."""
        if self._stop is not None:
            stop, self._stop = self._stop, None
            await stop()

    async def gone(self, epoch: int, timeout_s: float) -> bool:
        """Whether the server knows that nobody serves the subject."""
        try:
            await self._connection.request(self._subject(epoch), b"", timeout_s=timeout_s)
        except NoResponders:
            return True
        except SdkError:
            return False
        return False
