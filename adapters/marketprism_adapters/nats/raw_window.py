"""The last minutes of the raw log, and what validators remembered where they begin: read by direct get.

Nobody's cursor moves and no consumer is made. Times are those of events: the log's newest one is the window's end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import ContractError
from marketprism_application.contracts.packed import Packed, decode_packed
from marketprism_application.contracts.subjects import raw_subject
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, last_of_each, next_of, some_of
from marketprism_sdk.nats.jetstream import leader_info
from marketprism_sdk.streams import StageSettings, state_before

_MINUTE_NS = 60_000_000_000
_BATCH = 64
_AT_ONCE = 8
_LEAST_MINUTES = 0.1
_UNTIMED = 20  # messages without an event that are passed over in a search
_LEAST_TICKS = 1.0  # of a message
_STAGE = StageSettings(streams.VALIDATOR_STAGE, streams.RAW, raw_subject, streams.TICKS)


class PartitionWindow(NamedTuple):
    """Of one partition: its messages of the window begin at `first`, `messages` of them are there."""

    partition: int
    first: int
    messages: int
    ticks: float  # in a message, as far as looked at
    ts_stored: int  # when the first was taken into the log, by the server's clock


class RawWindow(NamedTuple):
    """`ts_from` to `ts_to` by event time; messages behind `last` came later. `minutes` are fewer than were asked for
    where more than so many ticks came in those."""

    minutes: float
    ts_from: int
    ts_to: int
    last: int
    first_held: int
    created: str
    partitions: tuple[PartitionWindow, ...]

    @property
    def messages(self) -> int:
        return sum(each.messages for each in self.partitions)


class Begin(NamedTuple):
    """Where to begin to read a partition: `state` is what its validator remembered before the message at `seq`, empty
    where that was nothing, None where it is not known; `is_cut` where messages behind it are gone."""

    seq: int
    state: bytes | None
    is_cut: bool = False


async def find_window(connection: NatsConnection, minutes: float, most_ticks: int) -> RawWindow | None:
    """The window of the last `minutes`, or of as many as hold about `most_ticks`; None where the log is empty.

    Raises:
        SdkError: NATS does not answer.
    """
    try:
        info = await leader_info(connection, streams.RAW)
    except StreamMissing:
        return None
    state, created = info["state"], str(info.get("created", ""))
    first, last = max(1, int(state["first_seq"])), int(state["last_seq"])
    newest = await last_of_each(connection, streams.RAW, [f"{raw_subject(0).rpartition('.')[0]}.*"], last)
    numbers = {int(subject.rpartition(".")[2]): held for subject, held in newest.items()}
    ends = [ts for held in numbers.values() if (ts := event_time(held.data))]
    if not ends:
        return None
    ts_to = max(ends)
    while True:
        ts_from = ts_to - int(minutes * _MINUTE_NS)
        room = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(
            *(_locate(connection, number, first, held.seq, ts_from, room) for number, held in sorted(numbers.items()))
        )
        window = RawWindow(minutes, ts_from, ts_to, last, first, created, tuple(each for each in found if each))
        ticks = sum(each.messages * each.ticks for each in window.partitions)
        if ticks <= most_ticks or minutes <= _LEAST_MINUTES:
            return window
        minutes = max(_LEAST_MINUTES, min(minutes / 2, minutes * most_ticks / ticks))


def event_time(data: bytes) -> int:
    """The newest event time in a raw message, bounded by when it was received; 0 where it has none."""
    try:
        packed = decode_packed(data)
    except ContractError:
        return 0
    return _time_in(packed)


def _time_in(packed: Packed) -> int:
    times = [min(tick.ts_event, tick.ts_recv) for tick in packed.ticks]
    return max(times, default=0) or max((mark.ts_event for mark in packed.marks), default=0)


async def _locate(
    connection: NatsConnection, partition: int, first: int, last: int, ts_from: int, room: asyncio.Semaphore
) -> PartitionWindow | None:
    """The first message of a partition at or behind an event time; None where there is none in the window."""
    subject, low, high = raw_subject(partition), first, last + 1
    seen = ticks = 0
    begin: Held | None = None
    async with room:
        while low < high:
            middle = (low + high) // 2
            held, ts, count = await _timed(connection, subject, middle)
            seen, ticks = seen + 1, ticks + count
            if held is None or held.seq >= high or ts >= ts_from:
                begin = held if held is not None and ts >= ts_from and held.seq <= last else begin
                high = middle
            else:
                low = held.seq + 1
    if begin is None:
        return None
    return PartitionWindow(partition, begin.seq, begin.more + 1, max(_LEAST_TICKS, ticks / seen), begin.ts)


async def _timed(connection: NatsConnection, subject: str, seq: int) -> tuple[Held | None, int, int]:
    """The first message at or behind a sequence that has an event time, that time, and how many ticks it has."""
    for _ in range(_UNTIMED):
        held = await next_of(connection, streams.RAW, subject, seq)
        if held is None:
            return None, 0, 0
        try:
            packed = decode_packed(held.data)
        except ContractError:
            packed = None
        if packed is not None and (ts := _time_in(packed)):
            return held, ts, len(packed.ticks)
        seq = held.seq + 1
    return None, 0, 0


async def begin_of(connection: NatsConnection, window: RawWindow, of: PartitionWindow) -> Begin:
    """What the validator of a partition remembered before its first message of the window, and where that was.

    What its stage had committed when the message was taken into the log is from before the message. Raises SdkError:
    NATS does not answer.
    """
    past = await state_before(connection, _STAGE, of.partition, of.ts_stored)
    if past is None or past.created not in ("", window.created):
        # Nothing was validated before: exact where the log has everything since its beginning.
        return Begin(window.first_held, b"" if window.first_held == 1 else None)
    if past.state is None or past.in_seq >= of.first:
        return Begin(of.first, None)
    is_cut = window.first_held > past.in_seq + 1
    return Begin(max(past.in_seq + 1, window.first_held), past.state, is_cut)


async def messages_of(
    connection: NatsConnection, partition: int, first: int, last: int
) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Messages of a partition from one sequence to another, (sequence, bytes), some at a time.

    Raises:
        SdkError: NATS does not answer.
    """
    subject, seq = raw_subject(partition), first
    while seq <= last:
        found = await some_of(connection, streams.RAW, subject, seq, _BATCH)
        if not found:
            return
        yield [(held.seq, held.data) for held in found if held.seq <= last]
        seq = found[-1].seq + 1


__all__ = ["Begin", "PartitionWindow", "RawWindow", "begin_of", "event_time", "find_window", "messages_of"]
