"""How far those have read who listen to a replay: it does not run away from the slowest."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Self

import structlog

from marketprism_application.contracts.replays import decode_taken
from marketprism_sdk.nats.connection import NatsConnection

log = structlog.get_logger()

TAKEN = "replay-taken"  # below it, a subject for the answers to each replay
AHEAD = 20_000  # records; a listener's buffer holds several times as many
_SILENCE_S = 30.0  # a listener that ended without a word, or one that stands in a debugger


class Listeners:
    """Who answers to the positions of one replay, and up to which record each has read.

    A client answers by itself. Who listens to the subjects without one is not waited for.
    """

    def __init__(self, subject: str, silence_s: float = _SILENCE_S) -> None:
        self.subject = subject
        self._silence_s = silence_s
        self._read: dict[str, int] = {}
        self._heard: dict[str, float] = {}  # when, by the loop's clock
        self._moved = asyncio.Event()
        self._stop: Callable[[], Awaitable[None]] | None = None

    @classmethod
    async def open(cls, connection: NatsConnection, silence_s: float = _SILENCE_S) -> Self:
        """Listen to the answers, on a subject of their own.

        Raises:
            NotConnected.
        """
        found = cls(f"{TAKEN}.{secrets.token_hex(8)}", silence_s)
        found._stop = await connection.subscribe(found.subject, lambda message: found.receive(message.data))
        return found

    @property
    def reading(self) -> dict[str, int]:
        """Up to which record each listener has read."""
        return dict(self._read)

    async def close(self) -> None:
        """Answers are read no more."""
        stop, self._stop = self._stop, None
        if stop is not None:
            await stop()

    def receive(self, data: bytes) -> None:
        """Take in an answer; what is none is logged. An empty one is the server's: nobody listens."""
        if not data:
            return
        try:
            taken = decode_taken(data)
        except ValueError as error:
            log.warning("listener.malformed", error=str(error))
            return
        if taken.left:
            self._forget(taken.reader)
        else:
            self._read[taken.reader] = taken.sent
            self._heard[taken.reader] = asyncio.get_running_loop().time()
        self._moved.set()

    def _forget(self, reader: str) -> None:
        self._read.pop(reader, None)
        self._heard.pop(reader, None)

    async def keep_up(self, sent: int) -> None:
        """Wait until nobody is more than 20 000 of so many records behind.

        Those who are, and of whom nothing was heard for half a minute while the replay stood still, are not waited for
        until they answer again.
        """
        loop = asyncio.get_running_loop()
        since = loop.time()
        while late := [reader for reader, read in self._read.items() if sent - read > AHEAD]:
            self._moved.clear()
            # Others who read go on answering meanwhile: each has a silence of its own.
            ends = {reader: max(since, self._heard[reader]) + self._silence_s for reader in late}
            try:
                async with asyncio.timeout_at(min(ends.values())):
                    await self._moved.wait()
            except TimeoutError:
                deaf = [reader for reader, end in ends.items() if end <= loop.time()]
                log.warning("listeners.ignored", listeners=len(deaf))
                for reader in deaf:
                    self._forget(reader)
