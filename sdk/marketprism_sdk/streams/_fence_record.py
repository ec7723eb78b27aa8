"""Fence: a record in the stream that is written to; only writes that expect it exactly are taken.

The record is rewritten under each epoch, so a write of an earlier epoch expects a sequence that is no longer the last
of the fence subject and is refused by the server.
"""

from __future__ import annotations

import asyncio
import itertools

import msgspec

from marketprism_sdk.errors import Fenced, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_to_expect
from marketprism_sdk.nats.jetstream import leader_get_last, publish_ack

_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_OF = f"{_EXPECTED}-Subject"
_ATTEMPTS = 5
_PAUSE_S = 0.02


class FenceRecord(msgspec.Struct, frozen=True):
    """What the fence subject holds."""

    holder: str
    epoch: int


def _record_in(data: bytes) -> FenceRecord:
    """What lies there; what is no record is nobody's, and gives way."""
    try:
        return msgspec.msgpack.decode(data, type=FenceRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return FenceRecord("", -1)


class Fence:
    """The fence of one writer under one epoch; `headers` go on its writes."""

    def __init__(self, connection: NatsConnection, stream: str, subject: str, holder: str, epoch: int) -> None:
        self._connection = connection
        self._stream = stream
        self.subject = subject
        self._record = FenceRecord(holder, epoch)
        self._seq = 0

    @property
    def stream(self) -> str:
        """The stream that the record is in."""
        return self._stream

    @property
    def seq(self) -> int:
        """Its place in the stream."""
        return self._seq

    @property
    def headers(self) -> dict[str, str]:
        """What every write, or the first of an atomic batch, must carry."""
        return {_EXPECTED: str(self._seq), _OF: self.subject}

    async def raise_it(self) -> None:
        """Write the fence under this epoch; the holder may do so again, which refuses what it wrote before and forgot.

        Raises:
            Fenced: the fence is at this epoch, of somebody else, or at a later one.
        """
        seen: int | None = None
        for attempt in itertools.count(1):
            last = await last_to_expect(self._connection, self._stream, self.subject)
            if last is not None:
                there = _record_in(last.data)
                if there == self._record and seen is not None and last.seq > seen:
                    self._seq = last.seq  # the write before was taken, its answer was lost
                    return
                if there.epoch >= self._record.epoch and there != self._record:
                    raise Fenced(
                        f"{self.subject}: expected a fence below epoch {self._record.epoch}, "
                        f"was {there.epoch} of {there.holder}",
                        there.epoch,
                    )
            seen = last.seq if last is not None else 0
            if await self._write(seen, attempt):
                return
            await asyncio.sleep(_PAUSE_S * attempt)

    async def _write(self, expected: int, attempt: int) -> bool:
        payload = msgspec.msgpack.encode(self._record)
        try:
            self._seq = (await publish_ack(self._connection, self.subject, payload, {_EXPECTED: str(expected)})).seq
        except SdkError as error:
            # Lost against somebody, or not known: the next look at the fence says which.
            open_outcome = isinstance(error, Fenced) or error.retryable
            if attempt == _ATTEMPTS or not open_outcome:
                raise
            return False
        return True

    async def refresh(self) -> None:
        """Write it again under the same epoch, so that it stays the youngest of its stream. Raises Fenced."""
        ack = await publish_ack(
            self._connection, self.subject, msgspec.msgpack.encode(self._record), {_EXPECTED: str(self._seq)}
        )
        self._seq = ack.seq

    async def holds(self) -> bool:
        """Whether this is still the fence, as the stream's leader has it."""
        last = await leader_get_last(self._connection, self._stream, self.subject)
        return last is not None and last.seq == self._seq


async def raise_fence(connection: NatsConnection, stream: str, subject: str, holder: str, epoch: int) -> Fence:
    """The fence, raised. Raises Fenced, see `Fence.raise_it`."""
    fence = Fence(connection, stream, subject, holder, epoch)
    await fence.raise_it()
    return fence
