"""Live messages on their way to who iterates over them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Self, TypeAlias, TypeVar

from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.replays import (
    ReplayPosition,
    ReplayTaken,
    decode_position,
    encode_taken,
    position_subject,
)
from marketprism_client._failures import QueryFailed
from marketprism_client._line import Line, Message, Receive
from marketprism_client._records import SomeRecord
from marketprism_client._session import Session
from marketprism_sdk.errors import SdkError

Record = TypeVar("Record")
Subject: TypeAlias = tuple[DataKind, str]  # what comes on a subject
_BUFFER = 10_000
_REPLAY_BUFFER = 100_000  # several times what a replay sends ahead of its slowest listener
_WHOLE_BUFFER = 1_000_000  # of who must not miss anything live: minutes of a busy day
_MISSED = 30  # promised positions of a replay, in a row
_LOOKS = 3  # within these; one look alone may find what came while this process did something else
_TURN = 2_000  # messages that are decoded before others of the loop have their turn


class LiveStream(AsyncIterator[Record], Generic[Record]):
    """Records as they come: `async for record in stream`. Ends with the replay that it listens to, else never.

    A replay that was killed gives no sign any more: half a minute later that is a QueryFailed with UNAVAILABLE.
    """

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


class _Coded(NamedTuple):
    """A record as it came."""

    kind: DataKind
    data: bytes


class _Place(NamedTuple):
    """A replay's position, and the subject that hears when everything before it was read; empty where none does."""

    position: ReplayPosition
    reply: str


class _Inbox:
    """What has come and was not read: the oldest is left out once 10 000 wait.

    A replay has no hole, nor has what is wanted whole: once 100 000 wait (live a million) nothing more is taken in, and
    what was is followed by an error.
    """

    def __init__(self, session: Session, *, whole: bool = False) -> None:
        self._session = session
        self._most = _REPLAY_BUFFER if session.prefix else _WHOLE_BUFFER if whole else 0
        self.waiting: deque[_Coded | _Place] = deque(maxlen=None if self._most else _BUFFER)
        self.arrived = asyncio.Event()
        self.overrun = False
        self._silence_s = 0.0

    def receiver(self, kind: DataKind) -> Receive:
        """Takes in the messages of a kind."""
        return lambda message: self._receive(kind, message)

    def _receive(self, kind: DataKind, message: Message) -> None:
        if self._most and len(self.waiting) >= self._most:
            self.overrun = True
        self._session.dropped += self.overrun or len(self.waiting) == self.waiting.maxlen
        if not self.overrun:
            self.waiting.append(_Coded(kind, message.data))
        self.arrived.set()

    def receive_position(self, message: Message) -> None:
        try:
            place = _Place(decode_position(message.data), message.reply)
        except ValueError:
            self._session.malformed += 1
            return
        if not self.overrun:  # an end behind a hole is none
            self.waiting.append(place)
        self._silence_s = max(0.0, place.position.alive_s) * _MISSED
        self.arrived.set()

    async def more(self) -> None:
        """Wait until something is there, or something else has arrived.

        Raises:
            QueryFailed: everything that waited was read, and what came behind it is lost; or the replay is gone.
        """
        if self.waiting:
            await asyncio.sleep(0)  # who reads without pause would leave no turn to what comes
        elif self.overrun and self._session.prefix:
            raise QueryFailed(
                Code.OVERLOADED,
                f"replay: this listener is more than {_REPLAY_BUFFER} records behind; slow the replay with --speed",
            )
        elif self.overrun:
            text = f"live: this listener is more than {_WHOLE_BUFFER} records behind, and would miss some"
            raise QueryFailed(Code.OVERLOADED, text)
        else:
            await self._next()

    async def _next(self) -> None:
        """Wait for what arrives; while a replay goes on, no longer than it can be silent and live."""
        looks = 0
        while not self.arrived.is_set():
            try:
                async with asyncio.timeout(self._silence_s / _LOOKS if self._silence_s else None):
                    await self.arrived.wait()
            except TimeoutError:
                # Without a connection nobody can be heard: that says nothing of the replay.
                looks = looks + 1 if self._session.line.connected else 0
            if looks == _LOOKS:
                raise QueryFailed(
                    Code.UNAVAILABLE,
                    f"replay: expected a sign of it every second, was none for {self._silence_s:g} s: it was killed, "
                    "is frozen, or has lost its connection; the records so far are whole, start it again for the rest",
                )


async def live_batches(
    session: Session,
    subjects: Sequence[Subject],
    belongs: Callable[[SomeRecord], bool],
    check: Callable[[], Awaitable[Sequence[Subject]]] | None,
    *,
    whole: bool = False,
) -> AsyncGenerator[list[SomeRecord], None]:
    """Records that come on the subjects and belong to what was asked, in the order in which they come, in lists of at
    least one. `whole`: none is left out, however slow the reader is.

    `check` runs beside it: it returns more subjects, and what it raises ends the iteration. In a replay the iteration
    ends when the replay says that it is over.

    Raises:
        QueryFailed: so many records of a replay wait that the next one would be lost; or a replay that had begun gives
            no sign any more, without having ended. Those before it were read.
    """
    inbox, reading = _Inbox(session, whole=whole), _Reading(session.line)
    prefix = f"{session.prefix}." if session.prefix else ""
    stops = [await session.subscribe(f"{prefix}{subject}", inbox.receiver(kind)) for kind, subject in subjects]
    if session.prefix:
        stops.append(await session.subscribe(position_subject(session.prefix), inbox.receive_position))
    checking: asyncio.Task[Sequence[Subject]] | None = None
    if check is not None:
        checking = asyncio.ensure_future(_checked(check))
        checking.add_done_callback(lambda _: inbox.arrived.set())
    try:
        while True:
            inbox.arrived.clear()
            found, place = _records(session, inbox.waiting, belongs)
            if found:
                yield found
            if place is not None:
                await reading.reached(place)
                if place.position.ended:
                    return
            if checking is not None and checking.done():
                done, checking = checking, None
                for kind, subject in done.result():
                    stops.append(await session.subscribe(f"{prefix}{subject}", inbox.receiver(kind)))
            await inbox.more()
    finally:
        if checking is not None:
            checking.cancel()
        for stop in stops:
            await stop()
        await reading.left()


async def _checked(check: Callable[[], Awaitable[Sequence[Subject]]]) -> Sequence[Subject]:
    return await check()


class _Reading:
    """Tells a replay how far one listener has read, so that it does not run away from it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._name = secrets.token_hex(8)
        self._place: _Place | None = None

    async def reached(self, place: _Place) -> None:
        """Everything before the place was read."""
        if place.reply:
            self._place = place
            await self._answer(place, left=False)

    async def left(self) -> None:
        """The listener reads no more."""
        if self._place is not None:
            await self._answer(self._place, left=True)

    async def _answer(self, place: _Place, *, left: bool) -> None:
        taken = ReplayTaken(reader=self._name, sent=sum(place.position.sent.values()), left=left)
        # Without a connection no replay comes either; who asks next notices that it is away.
        with contextlib.suppress(SdkError):
            await self._line.publish(place.reply, encode_taken(taken))


def _records(
    session: Session, waiting: deque[_Coded | _Place], belongs: Callable[[SomeRecord], bool]
) -> tuple[list[SomeRecord], _Place | None]:
    """What waits, decoded, some thousand at most, and the last place of a replay that was passed, its end at latest."""
    found: list[SomeRecord] = []
    place: _Place | None = None
    for _ in range(min(_TURN, len(waiting))):
        message = waiting.popleft()
        if isinstance(message, _Place):
            place = message
            if place.position.ended:
                break
            continue
        try:
            record = decode(message.kind, message.data)
        except ContractError:
            session.malformed += 1
            continue
        if belongs(record):
            found.append(record)
    return found, place
