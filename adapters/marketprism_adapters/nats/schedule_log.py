"""What becomes of jobs, in the stream `SCHEDULE`: where each job stands, and every run that has ended.

One leader writes it, under a fence. A write is one atomic batch: the new states of jobs and the runs that ended by it
are all there, or none is, or the whole is refused because somebody else leads. What a leader does besides, it does
after its write. So a due time is planned once, whoever leads and whenever a leader ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.schedule_records import JobState, RunRecord
from marketprism_domain.scheduling.jobs import is_name
from marketprism_sdk.nats.batch import MAX_MESSAGES, AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, last_of_each, some_of
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.stream_config import identity
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.streams import Fence, raise_fence
from marketprism_sdk.values import decode_or_none

SCHEDULE = "SCHEDULE"
SCHEDULE_S = 90 * 86_400.0
_MAX_BYTES = 512 << 20
_FENCE = "fence.schedule"
_STATE, _RUN = "sched.state.", "sched.run."
_PAGE = 500
_MOST_READ = 20_000
_SECOND = 1_000_000_000
_WINDOWS_S = (60, 600, 6_000, 60_000, 600_000, int(SCHEDULE_S) + 86_400)


class LogPlace(NamedTuple):
    """Where a message is: when it was written, nanoseconds UTC by the server's clock, and its sequence."""

    ts: int
    seq: int = 0


async def ensure_schedule(connection: NatsConnection, replicas: int = 1) -> None:
    """The stream. Raises what `ensure_stream` does."""
    await ensure_stream(
        connection,
        {
            "name": SCHEDULE,
            "subjects": ["sched.>", _FENCE],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "max_msgs_per_subject": 1,
            "max_age": int(SCHEDULE_S * 1e9),
            "max_bytes": _MAX_BYTES,
            "num_replicas": replicas,
            "allow_direct": True,
            "allow_atomic": True,
            "metadata": identity(),
        },
    )


class ScheduleLog:
    """The log as one leader writes it; `open` raises the fence."""

    def __init__(self, connection: NatsConnection, fence: Fence) -> None:
        self._connection = connection
        self._fence = fence

    @classmethod
    async def open(cls, connection: NatsConnection, instance: str, epoch: int) -> ScheduleLog:
        """Whoever wrote before is refused from here on. Raises Fenced: somebody leads under a later epoch."""
        return cls(connection, await raise_fence(connection, SCHEDULE, _FENCE, instance, epoch))

    @property
    def seq(self) -> int:
        """The place of the fence: what others wrote is before it."""
        return self._fence.seq

    async def make_anew(self, replicas: int) -> None:
        """Make the stream that somebody has deleted, and raise the fence in it. Raises Fenced: somebody else did."""
        await ensure_schedule(self._connection, replicas)
        await self._fence.raise_it()

    async def write(self, states: Sequence[JobState], records: Sequence[RunRecord]) -> None:
        """Write both in one piece. Of more records than a batch takes, the older ones go before; a leader that ends in
        between leaves them to the next one, which writes the same again.

        Raises:
            Fenced: somebody else leads; nothing of it is written. StreamMissing: somebody has deleted the stream.
            StreamError: refused.
            DeadlineExceeded, NotConnected: not known; writing the same again is safe.
        """
        messages = [(f"{_RUN}{record.run}", msgspec.msgpack.encode(record)) for record in records]
        messages += [(f"{_STATE}{state.job}", msgspec.msgpack.encode(state)) for state in states]
        while messages:
            most = MAX_MESSAGES // 2 if len(messages) > MAX_MESSAGES else MAX_MESSAGES
            await self._batch(messages[:most])
            messages = messages[most:]

    async def _batch(self, messages: list[tuple[str, bytes]]) -> None:
        (subject, payload), others, last = messages[0], messages[1:-1], messages[-1]
        if len(messages) == 1:
            await publish_ack(self._connection, subject, payload, self._fence.headers)
            return
        batch = AtomicBatch(self._connection)
        await batch.add(subject, payload, headers=self._fence.headers)
        for each in others:
            await batch.add(*each)
        await batch.commit(*last)


class ScheduleReader:
    """The log for everybody. Methods raise what the stream does; without a stream there is nothing."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def states(self, at_least: int = 0) -> dict[str, JobState]:
        """Where every job stands, by its name, as a replica has it that has the stream up to `at_least`."""
        held = await last_of_each(self._connection, SCHEDULE, [f"{_STATE}>"], at_least=at_least)
        found = {subject.removeprefix(_STATE): _state(each) for subject, each in held.items()}
        return {job: state for job, state in found.items() if state is not None}

    async def state(self, job: str) -> JobState | None:
        """Where a job stands, None where nobody has planned it yet."""
        held = await last_of_each(self._connection, SCHEDULE, [f"{_STATE}{job}"])
        return _state(next(iter(held.values()))) if held else None

    async def runs(
        self, job: str | None, limit: int, *, before: LogPlace, now: int
    ) -> list[tuple[LogPlace, RunRecord]]:
        """(where it is, run) of the newest runs that were written before a place, the newest first.

        `job` is None for all of them. The place of the last is where a next page goes on from.
        """
        subject = f"{_RUN}{job}.>" if job else f"{_RUN}>"
        end = min(before.ts, now + 60 * _SECOND)
        held: list[Held] = []
        for window_s in _WINDOWS_S:
            since = max(0, end - window_s * _SECOND)
            if window_s != _WINDOWS_S[-1] and await self._count(subject, since, before.ts, now) < limit:
                continue
            held = await self._between(subject, since, before)
            break
        newest = sorted(((LogPlace(each.ts, each.seq), each) for each in held), key=lambda one: one[0], reverse=True)
        return [
            (place, found)
            for place, each in newest[:limit]
            if (found := decode_or_none(_entry(each), RunRecord)) is not None
        ]

    async def _count(self, subject: str, since: int, before: int, now: int) -> int:
        """How many there are from one instant to another."""
        first = await some_of(self._connection, SCHEDULE, subject, 1, 1, since_ns=since)
        count = first[0].more + 1 if first else 0
        if before < now and count:
            behind = await some_of(self._connection, SCHEDULE, subject, 1, 1, since_ns=before)
            count -= behind[0].more + 1 if behind else 0
        return count

    async def _between(self, subject: str, since: int, before: LogPlace) -> list[Held]:
        page = await some_of(self._connection, SCHEDULE, subject, 1, _PAGE, since_ns=since)
        found: list[Held] = []
        while page:
            found += [each for each in page if (each.ts, each.seq) < before]
            if len(page) < _PAGE or page[-1].ts > before.ts:
                break
            found = found[-_MOST_READ:]
            page = await some_of(self._connection, SCHEDULE, subject, page[-1].seq + 1, _PAGE)
        return found


def _state(held: Held) -> JobState | None:
    """The state that a message holds; None where it is none, or that of another job."""
    state = decode_or_none(_entry(held), JobState)
    return state if state is not None and f"{_STATE}{state.job}" == held.subject and is_name(state.job) else None


def _entry(held: Held) -> KvEntry:
    return KvEntry(held.subject, held.data, held.seq, bucket=SCHEDULE)


__all__ = ["SCHEDULE", "SCHEDULE_S", "LogPlace", "ScheduleLog", "ScheduleReader", "ensure_schedule"]
