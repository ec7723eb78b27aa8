"""Live messages on their way to who iterates over them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, Self, TypeVar

from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.replays import ReplayPosition, decode_position, position_subject
from marketprism_client._records import SomeRecord
from marketprism_client._session import Message, Session

Record = TypeVar("Record")
_BUFFER = 10_000


class LiveStream(AsyncIterator[Record], Generic[Record]):
    """Records as they come: `async for record in stream`. Ends with the replay that it listens to, else never."""

    def __init__(self, batches: AsyncGenerator[list[Record], None]) -> None:
        self._batches = batches
        self._waiting: deque[Record] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        if not self._waiting:
            self._waiting.extend(await anext(self._batches))
        return self._waiting.popleft()

    async def batch(self) -> list[Record]:
        """What has come by now, at least one record.

        Raises:
            StopAsyncIteration: the replay is over.
        """
        if not self._waiting:
            return await anext(self._batches)
        found = list(self._waiting)
        self._waiting.clear()
        return found

    async def aclose(self) -> None:
        """Unsubscribe; the stream is over."""
        await self._batches.aclose()


class _Inbox:
    """What has come and was not read: the oldest is left out once 10 000 wait, except in a replay, which can wait."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.waiting: deque[bytes | ReplayPosition] = deque(maxlen=None if session.prefix else _BUFFER)
        self.arrived = asyncio.Event()

    def receive(self, message: Message) -> None:
        self._session.dropped += len(self.waiting) == self.waiting.maxlen
        self.waiting.append(message.data)
        self.arrived.set()

    def receive_position(self, message: Message) -> None:
        try:
            self.waiting.append(decode_position(message.data))
        except ValueError:
            self._session.malformed += 1
        self.arrived.set()


async def live_batches(
    session: Session,
    kind: DataKind,
    subjects: Sequence[str],
    belongs: Callable[[SomeRecord], bool],
    check: Callable[[], Awaitable[Sequence[str]]] | None,
) -> AsyncGenerator[list[SomeRecord], None]:
    """Records of a kind that come on the subjects and belong to what was asked, in lists of at least one.

    `check` runs beside it as long as nothing has come: it returns more subjects, and what it raises ends the iteration.
    In a replay the iteration ends when the replay says that it is over.
    """
    inbox = _Inbox(session)
    prefix = f"{session.prefix}." if session.prefix else ""
    stops = [await session.connection.subscribe(f"{prefix}{subject}", inbox.receive) for subject in subjects]
    if session.prefix:
        stops.append(await session.connection.subscribe(position_subject(session.prefix), inbox.receive_position))
    checking: asyncio.Task[Sequence[str]] | None = None
    if check is not None:
        checking = asyncio.ensure_future(_checked(check))
        checking.add_done_callback(lambda _: inbox.arrived.set())
    try:
        while True:
            inbox.arrived.clear()
            found, ended = _records(session, kind, inbox.waiting, belongs)
            if found:
                if checking is not None:
                    checking.cancel()
                    checking = None
                yield found
            if ended:
                return
            if checking is not None and checking.done():
                done, checking = checking, None
                stops += [
                    await session.connection.subscribe(f"{prefix}{subject}", inbox.receive) for subject in done.result()
                ]
            if not inbox.waiting:
                await inbox.arrived.wait()
    finally:
        if checking is not None:
            checking.cancel()
        for stop in stops:
            await stop()


async def _checked(check: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
    return await check()


def _records(
    session: Session, kind: DataKind, waiting: deque[bytes | ReplayPosition], belongs: Callable[[SomeRecord], bool]
) -> tuple[list[SomeRecord], bool]:
    """What waits, decoded, and whether the replay ended behind it."""
    found: list[SomeRecord] = []
    while waiting:
        message = waiting.popleft()
        if isinstance(message, ReplayPosition):
            if message.ended:
                return found, True
            continue
        try:
            record = decode(kind, message)
        except ContractError:
            session.malformed += 1
            continue
        if belongs(record):
            found.append(record)
    return found, False
