"""The probe of an election: a request that answers "no responders" as soon as the leader's connection is gone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from marketprism_sdk.errors import NoResponders, SdkError
from marketprism_sdk.nats.connection import NatsConnection

if TYPE_CHECKING:
    from nats.aio.msg import Msg


class NatsProber:
    """Serves and asks `ha.ping.<key>.<epoch>.<holder>`; the holder's token is a hash, since names may hold dots.

    nats-py subscribes again after a reconnect; until the server has seen that, a probe finds nobody, which is why only
    a holder that has answered before can be found gone (`observation.py`).
    """

    def __init__(self, connection: NatsConnection, key: str, holder: str) -> None:
        self._connection = connection
        self._key = key
        self._holder = holder
        self._stop: Callable[[], Awaitable[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.outages: int = 0
        connection.on_disconnect(self._away)

    def _away(self) -> None:
        self.outages += 1

    def _subject(self, epoch: int, holder: str) -> str:
        token = hashlib.blake2b(holder.encode(), digest_size=6).hexdigest()
        return f"ha.ping.{self._key}.{epoch}.{token}"

    async def serve(self, epoch: int) -> None:
        """Answer for this epoch."""
        await self.stop()
        self._stop = await self._connection.subscribe(self._subject(epoch, self._holder), self._answer)

    def _answer(self, message: Msg) -> None:
        if message.reply:
            task = asyncio.get_running_loop().create_task(self._reply(message.reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _reply(self, subject: str) -> None:
        try:
            await self._connection.publish(subject, b"")
        except SdkError:
            return  # whoever asked has its timeout

    async def stop(self) -> None:
        """Stop answering probes: whoever asks takes this holder for gone."""
        if self._stop is not None:
            stop, self._stop = self._stop, None
            await stop()

    async def unanswered(self, epoch: int, holder: str, timeout_s: float) -> bool:
        """Whether the server knows that nobody serves the subject."""
        try:
            await self._connection.request(self._subject(epoch, holder), b"", timeout_s=timeout_s)
        except NoResponders:
            return True
        return False
