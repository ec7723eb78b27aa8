"""Where the pipeline stands, read from what is durable: streams, checkpoints and watermarks.

Nothing here asks a running service: a service that is down or lying cannot make unfinished work look done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.source_positions import positions_in
from marketprism_application.contracts.codec import ContractError
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.contracts.subjects import unescape
from marketprism_application.monitoring.progress import Progress
from marketprism_application.monitoring.reconciliation import StageSeen, StoreSeen, Waiting
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, last_of_each, nanoseconds, next_of
from marketprism_sdk.nats.jetstream import api, direct_get_last, is_of_leader
from marketprism_sdk.ports import KeyValue, KvEntry
from marketprism_sdk.values import decode_or_none

T = TypeVar("T")

VALIDATOR, AGGREGATOR = streams.VALIDATOR_STAGE, streams.AGGREGATOR_STAGE
# A stage: the stream it reads and the subjects of its partitions there, and the stream of its checkpoints.
STAGES = {
    VALIDATOR: (streams.RAW, "market.raw.", streams.TICKS),
    AGGREGATOR: (streams.TICKS, "market.packed.", streams.BARS),
}


class _Judged(msgspec.Struct, frozen=True):
    """What a validator counts for each source."""

    accepted: int = 0
    stale: int = 0
    redelivered: int = 0
    out_of_chain: int = 0
    rejected: dict[str, int] = {}


class _Checkpoint(msgspec.Struct, Generic[T], frozen=True):
    """What is looked at of a stage's checkpoint."""

    in_seq: int = 0
    since: int = 0
    taken: int = -1
    stats: dict[str, T] | None = None


class _Watermark(msgspec.Struct, frozen=True):
    """What is looked at of the store's progress."""

    watermark: int = 0
    created: str = ""  # when the stream was made that it is of


_COUNTS: dict[str, Any] = {VALIDATOR: _Checkpoint[_Judged], AGGREGATOR: _Checkpoint[dict[str, int]]}


class PipelineProbe:
    """Reads progress over a connection."""

    def __init__(self, connection: NatsConnection, positions: KeyValue, ranges: KeyValue) -> None:
        self.connection = connection
        self._positions = positions
        self._ranges = ranges

    async def read(self, sources: tuple[str, ...] = ()) -> Progress:
        """Progress of the given sources, of all when none is given."""
        progress = Progress()
        await self._read_source(progress, sources)
        for stage in STAGES:
            await self._read_stage(progress, stage, sources)
        places = {entry.key: entry for entry in await _if_there(self._ranges.entries(), [])}
        for stream in streams.STORED:
            await self._read_store(progress, stream, places.get(stream))
        return progress

    async def read_sources(self) -> Progress:
        """How the sources are, and nothing else."""
        progress = Progress()
        await self._read_source(progress, ())
        return progress

    async def _read_source(self, progress: Progress, sources: tuple[str, ...]) -> None:
        found = positions_in(await _if_there(self._positions.entries(), []))
        records = [record for record in found if not record.group]
        for state in (record for record in found if record.group):
            progress.refused.update(state.refused)
            if state.retry:
                progress.away = progress.away or state.error
            else:
                progress.error = progress.error or state.error
        if sources:
            records = [record for record in records if record.source in sources]
        progress.finished = bool(records) and all(record.finished for record in records)
        progress.finished &= not sources or len(records) == len(sources)
        for record in records:
            progress.rows[record.source] = record.rows
            _add(progress.skipped, record.skipped)

    async def _read_stage(self, progress: Progress, stage: str, sources: tuple[str, ...]) -> None:
        stream, prefix, kept_in = STAGES[stage]
        # Places first: what is read of the log after them can only be further.
        written = await last_of_each(self.connection, kept_in, [f"stage.{stage}.*.ck"])
        lasts = await last_of_each(self.connection, stream, [f"{prefix}*"])
        end = await _end_of(self.connection, stream)
        checkpoints = {n: held for subject, held in written.items() if (n := _number(subject.split(".")[2])) >= 0}
        partitions = {n: held.seq for subject, held in lasts.items() if (n := _number(subject.split(".")[-1])) >= 0}
        for partition in sorted(partitions.keys() | checkpoints.keys()):
            record = _checkpoint(checkpoints.get(partition), stage, kept_in)
            last, done = partitions.get(partition, 0), record.in_seq
            if last or not end.is_known:
                _tell_lag(progress, f"{stage}:{partition}", last - done, end)
            untaken = {}
            for source, counts in (record.stats or {}).items():
                if not sources or source in sources:
                    _count(progress, counts)
                if isinstance(counts, _Judged) and counts.out_of_chain:
                    untaken[source] = counts.out_of_chain
            waiting = await self._waiting(stream, f"{prefix}{partition}", done, last, end.now)
            progress.stages.append(
                StageSeen(stage, partition, done, last, end.seq, waiting, record.since, record.taken, untaken)
            )

    async def _waiting(self, stream: str, subject: str, done: int, last: int, now: int) -> Waiting:
        """What lies behind a place; asked only where something does."""
        if last <= done:
            return Waiting()
        held = await next_of(self.connection, stream, subject, done + 1)
        if held is None:
            return Waiting()
        return Waiting(held.more + 1, max(0.0, (now - held.ts) / 1e9), instruments_of(held))

    async def _read_store(self, progress: Progress, stream: str, entry: KvEntry | None) -> None:
        subjects = streams.STORED[stream]
        place = decode_or_none(entry, _Watermark) or _Watermark()
        end = await _end_of(self.connection, stream)
        # A bucket that was restored beside streams that are new says how far the old ones were stored.
        stored = place.watermark if place.created in ("", end.created) else 0
        if end.is_known and end.seq <= stored:  # nothing of any subject can lie behind that
            progress.behind[f"storage:{stream}"] = 0
            progress.stores.append(StoreSeen(stream, stored, end.seq, Waiting()))
            return
        lasts = await asyncio.gather(*(self._last(stream, subject) for subject in subjects))
        end = await _end_of(self.connection, stream)
        _tell_lag(progress, f"storage:{stream}", max(lasts) - stored, end)
        waits = [
            await self._waiting(stream, subject, stored, seq, end.now)
            for subject, seq in zip(subjects, lasts, strict=True)
        ]
        waiting = Waiting(
            sum(wait.messages for wait in waits),
            max((wait.age_s for wait in waits), default=0.0),
            tuple(name for wait in waits for name in wait.instruments),
        )
        progress.stores.append(StoreSeen(stream, stored, end.seq, waiting))

    async def _last(self, stream: str, subject: str) -> int:
        message = await _if_there(direct_get_last(self.connection, stream, subject), None)
        return 0 if message is None else message.seq


async def _if_there(read: Awaitable[T], otherwise: T) -> T:
    """The answer; `otherwise` where nobody has made the stream or the bucket yet. Raises SdkError."""
    try:
        return await read
    except StreamMissing:
        return otherwise


class _End(NamedTuple):
    """The newest sequence of a stream, the server's clock, by which messages are stamped (ages are no business of the
    onlooker's clock), and when the stream was made. 0, 0 and nothing when the stream is not there.

    Where it has no leader nobody knows the newest sequence: it is 0 then, which says nothing.
    """

    seq: int
    now: int
    created: str
    is_known: bool


async def _end_of(connection: NatsConnection, stream: str) -> _End:
    info: dict[str, Any] = await _if_there(api(connection, f"STREAM.INFO.{stream}"), {})
    # Without a leader any member answers, also one that is behind: a place that is right would lie beyond its end.
    is_known = is_of_leader(info)
    last = int(info.get("state", {}).get("last_seq", 0)) if is_known else 0
    return _End(last, nanoseconds(str(info.get("ts", ""))), str(info.get("created", "")), is_known)


def _tell_lag(progress: Progress, reader: str, lag: int, end: _End) -> None:
    """That nothing is left is no member's to say while the stream has no leader."""
    if lag > 0 or end.is_known:
        progress.behind[reader] = max(0, lag)
    else:
        progress.unknown.append(reader)


def instruments_of(held: Held) -> tuple[str, ...]:
    """Instruments of a message of ours, by venue and symbol; by the subject where the payload does not say."""
    if held.subject.startswith(("market.raw.", "market.packed.")):
        try:
            packed = decode_packed(held.data)
        except ContractError:
            return ()
        named = [f"{tick.venue}.{tick.symbol}" for tick in packed.ticks] or [f"{mark.venue}.*" for mark in packed.marks]
        return tuple(dict.fromkeys(named))
    tokens = held.subject.split(".")
    try:
        return (".".join(unescape(token) for token in tokens[1:]),)
    except ValueError:
        return (held.subject,)


def _number(token: str) -> int:
    """The partition that a token of a subject names, -1 where it is none: anybody may publish anything."""
    return int(token) if token.isascii() and token.isdigit() and str(int(token[:9])) == token else -1


def _checkpoint(held: Held | None, stage: str, stream: str) -> _Checkpoint[Any]:
    """A checkpoint that is none counts as none: its stage is behind by everything, which is what can be proved."""
    entry = None if held is None else KvEntry(held.subject, held.data, held.seq, bucket=stream)
    found: _Checkpoint[Any] | None = decode_or_none(entry, _COUNTS[stage])
    return found or _Checkpoint()


def _count(progress: Progress, counts: _Judged | dict[str, int]) -> None:
    if isinstance(counts, dict):
        _add(progress.bars, counts)
        return
    progress.accepted += counts.accepted
    progress.stale += counts.stale
    progress.redelivered += counts.redelivered
    progress.out_of_chain += counts.out_of_chain
    _add(progress.rejected, counts.rejected)


def _add(total: dict[str, int], part: dict[str, int]) -> None:
    for key, count in part.items():
        total[key] = total.get(key, 0) + count


__all__ = ["STAGES", "PipelineProbe", "Progress", "instruments_of"]
