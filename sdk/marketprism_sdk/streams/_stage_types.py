"""What a stage is made of: outputs, the port of a processor, settings, the checkpoint, a partition's state."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from marketprism_sdk.errors import Fenced, NewerFormat, SdkError
from marketprism_sdk.nats.batch import AtomicBatch
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.nats.retention import RetentionWatch
from marketprism_sdk.observability import Sampled
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.streams._stage_records import last_record

T = TypeVar("T")

log = get_logger(__name__)

CHECKPOINT_VERSION = 1  # of a checkpoint and of the snapshot that belongs to it
_SNAPSHOT_CHUNK = 512 * 1024
_KEPT = 65_536  # of a message that is set aside
_AT = struct.Struct(">q")  # each chunk begins with the input sequence that its snapshot is at


class Output(NamedTuple):
    """One message to publish.

    Without `msg_id` it goes into the atomic batch (its subject belongs to the output stream). With one it is a side
    message to another stream, sent and acknowledged before the batch commits, deduplicated by its id.
    """

    subject: str
    payload: bytes
    msg_id: str | None = None


class Processor(Protocol):
    """State machine of one partition; the same messages in the same order give the same outputs."""

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        """Take one message of the input stream. Bad input is the processor's to refuse, by an output."""
        ...

    def snapshot(self) -> bytes:
        """The complete state, from which `restore` goes on."""
        ...

    def restore(self, state: bytes) -> None:
        """State of an earlier snapshot."""
        ...

    def stats(self) -> Any:
        """Small counters, kept in every checkpoint."""
        ...


@dataclass(frozen=True, slots=True)
class StageSettings:
    """`input_subject` gives the subject of a partition. Times in seconds."""

    name: str
    input_stream: str
    input_subject: Callable[[int], str]
    output_stream: str
    commit_interval_s: float = 0.02
    idle_commit_s: float = 0.5
    max_batch: int = 900
    snapshot_every_s: float = 5.0
    look_s: float = 10.0  # how often the input stream is asked whether it is still the same one
    refresh_s: float = 3_600.0  # a stream forgets what is old: an idle partition's state is written anew

    def subject(self, partition: int, what: str) -> str:
        """Where the stage keeps something of a partition, in its output stream."""
        return f"stage.{self.name}.{partition}.{what}"


OnTraced = Callable[[int, float], None]  # the partition, and the age of its message in seconds


def traced_step(
    name: str, holder: str, on_traced: OnTraced, partition: int, trace: Sampled, started_ns: int
) -> dict[str, str]:
    """Record the step of a sampled message and its age; returns the headers with which its outputs go on."""
    now = time.time_ns()
    on_traced(partition, (now - trace.origin_ns) / 1e9)
    return trace.step(f"stage {name}", started_ns, now, holder=holder).headers()


class Poison(msgspec.Struct, frozen=True):
    """A message that a processor could not take; it is set aside on `stage.<name>.<partition>.dead`."""

    seq: int
    reason: str
    payload: bytes


def process_or_set_aside(part: OwnedPartition, message: StoredMessage, dead: str, max_payload: int) -> Sequence[Output]:
    """Outputs of one message, or the message itself set aside when the processor raises or says too much at once.

    What a processor does before it raises is done again in the same way when the message is replayed, so going on
    keeps a stage deterministic; stopping would stop it at the same message for ever.

    Raises:
        NewerFormat: the processor says that a newer one can take it.
    """
    try:
        outputs = part.processor.process(message.seq, message.data)
        for output in outputs:
            if len(output.payload) > max_payload:
                raise ValueError(f"output on {output.subject}: {len(output.payload)} bytes, at most {max_payload}")
    except NewerFormat:
        raise
    except Exception as error:
        log.exception("message.dead_lettered", subject=message.subject, seq=message.seq)
        reason = f"{type(error).__name__}: {error}"[:1_000]
        poison = Poison(message.seq, reason, message.data[:_KEPT])
        part.poisoned += 1
        return (Output(dead, msgspec.msgpack.encode(poison)),)
    return outputs


class Checkpoint(msgspec.Struct, frozen=True):
    """`in_seq` is done; of the message behind it the first `partial` outputs are done too.

    `taken` messages of the partition behind sequence `since` were taken, set aside ones included: whoever counts the
    log can tell whether one was passed over. -1: written before this was counted.
    `created` is when the input stream was made that these sequences are of, as the server says it.
    """

    v: int
    epoch: int
    holder: str
    in_seq: int
    partial: int
    snap_in_seq: int
    snap_chunks: int
    stats: Any
    since: int = 0
    taken: int = -1
    created: str = ""


class OwnedPartition:
    """A partition that is owned."""

    def __init__(self, number: int, epoch: int, processor: Processor) -> None:
        self.number = number
        self.epoch = epoch
        self.processor = processor
        self.consumer: PullConsumer | None = None
        self.ck_seq = 0
        self.in_seq = 0
        self.partial = 0
        self.done_seq = 0  # outputs up to here are committed already: suppressed while state is rebuilt
        self.snap_in_seq = 0
        self.snap_chunks = 0
        self.since = 0
        self.taken = 0
        self.carried: Any = None  # counters of the checkpoint that was taken over
        self.snap_seq: int = 0  # where the snapshot is in the output stream; 0 when it was written a moment ago
        self.snapped_at: float = time.monotonic()
        self.dirty: bool = False
        self.poisoned = 0
        self.created = ""  # of the input stream, which its sequences are of
        self.written_at: float = time.monotonic()

    async def close(self) -> None:
        """Stop reading the partition."""
        if self.consumer is not None:
            await self.consumer.close()

    def leave(self) -> None:
        """Whoever comes next shall have the whole state: its input may be gone by then."""
        if self.in_seq > max(self.snap_in_seq, self.done_seq) and not self.partial:
            self.dirty, self.snapped_at = True, float("-inf")

    def due(self, now: float, refresh_s: float, snapshot_every_s: float, pushed_out: Callable[[int], bool]) -> bool:
        """Whether a checkpoint is to be written.

        Something was done; the last one, or the snapshot, would become too old or be `pushed_out` (a sequence of the
        stream) by what others write; or a partition that has become quiet is ahead of its snapshot, whose messages the
        stream forgets one day.
        """
        if self.snap_chunks and not self.snap_seq:
            self.snap_seq = self.ck_seq
        oldest = min(self.ck_seq, self.snap_seq or self.ck_seq)
        old = now - self.written_at >= refresh_s or pushed_out(oldest)
        behind = self.in_seq > max(self.snap_in_seq, self.done_seq) and now - self.snapped_at >= snapshot_every_s
        if (old or behind) and not self.partial:
            self.dirty, self.snapped_at = True, float("-inf")
        return self.dirty

    def checkpoint(self, holder: str) -> bytes:
        """The record of what is done."""
        self.written_at = time.monotonic()
        in_seq = max(self.in_seq, self.done_seq)
        # What is restored lags behind its own checkpoint until the messages since the snapshot have come again.
        stats = self.carried if self.done_seq else self.processor.stats()
        record = Checkpoint(
            CHECKPOINT_VERSION,
            self.epoch,
            holder,
            in_seq,
            self.partial,
            self.snap_in_seq,
            self.snap_chunks,
            stats,
            since=self.since,
            taken=self.taken,
            created=self.created,
        )
        return msgspec.msgpack.encode(record)


async def load_snapshot(connection: NatsConnection, stream: str, subject: str, part: OwnedPartition) -> bytes:
    """The last snapshot of a partition, from its chunks.

    Raises:
        SdkError: a chunk is gone, or is of another snapshot; the partition cannot be taken over now.
    """
    chunks = []
    for number in range(part.snap_chunks):
        message, _ = await last_record(
            connection, stream, f"{subject}.{number}", lambda data: chunk_of(data, part.snap_in_seq) is not None
        )
        chunk = None if message is None else chunk_of(message.data, part.snap_in_seq)
        if message is None or chunk is None:
            raise SdkError(
                f"partition {part.number}: expected chunk {number} of the snapshot at {part.snap_in_seq}, was none"
            )
        chunks.append(chunk)
        part.snap_seq = min(part.snap_seq or message.seq, message.seq)
    return b"".join(chunks)


def chunk_of(data: bytes, snap_in_seq: int) -> bytes | None:
    """What a chunk holds of the snapshot at an input sequence; None where it is of another one."""
    return data[_AT.size :] if data[: _AT.size] == _AT.pack(snap_in_seq) else None


async def write_snapshot(part: OwnedPartition, batch: AtomicBatch, subject: str, now: float) -> None:
    """Put a partition's whole state into the batch, in chunks that a message can hold."""
    state = part.processor.snapshot()
    chunks = [state[start : start + _SNAPSHOT_CHUNK] for start in range(0, len(state), _SNAPSHOT_CHUNK)] or [b""]
    for number, chunk in enumerate(chunks):
        await batch.add(f"{subject}.{number}", _AT.pack(part.in_seq) + chunk)
    part.snap_in_seq, part.snap_chunks, part.snapped_at = part.in_seq, len(chunks), now
    part.snap_seq = 0


class Renewal:
    """Keeps what a stage has in its output stream from being thrown out by that stream's limits."""

    def __init__(self, connection: NatsConnection, settings: StageSettings) -> None:
        self._watch = RetentionWatch(connection, settings.output_stream)
        self._refresh_s, self._every_s = settings.refresh_s, settings.snapshot_every_s

    async def due(self, parts: Iterable[OwnedPartition], now: float) -> bool:
        """Whether some partition has a checkpoint to write; marks those whose state is to be written anew."""
        with contextlib.suppress(SdkError):  # what was seen last stands, and whoever writes next sees the trouble
            await self._watch.now()
        limits = self._watch.of
        refresh_s = limits.renew_s(self._refresh_s)
        return sum(part.due(now, refresh_s, self._every_s, limits.due) for part in parts) > 0


class _Version(msgspec.Struct):
    v: int


def _read(data: bytes, kind: type[T]) -> T | None:
    """The record; None where it is something else."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def newer_checkpoint(data: bytes) -> int:
    """The version of a checkpoint that a newer program wrote, whatever else is in it; 0 where it is none."""
    found = _read(data, _Version)
    return found.v if found is not None and found.v > CHECKPOINT_VERSION else 0


def is_checkpoint(data: bytes) -> bool:
    """Whether a message is a checkpoint. One of a newer version is: the one before it must not be gone on from."""
    return bool(newer_checkpoint(data)) or _read(data, Checkpoint) is not None


def taken_over(
    number: int, epoch: int, holder: str, factory: Callable[[int, int], Processor], last: StoredMessage | None
) -> OwnedPartition:
    """A partition where its last checkpoint left it, its processor still empty.

    Raises:
        Fenced: the checkpoint is of a later epoch, or of another holder under the same one.
        NewerFormat: a newer program wrote it.
    """
    part = OwnedPartition(number, epoch, factory(number, epoch))
    if last is None:
        return part
    if newer := newer_checkpoint(last.data):
        raise NewerFormat(
            f"partition {number}: expected a checkpoint of version {CHECKPOINT_VERSION} at most, was {newer}: a newer "
            "program wrote it, and this one would do its work twice; install the newer version"
        )
    old = msgspec.msgpack.decode(last.data, type=Checkpoint)
    if old.epoch > epoch or (old.epoch == epoch and old.holder != holder):
        was = f"{old.epoch} of {old.holder}"
        raise Fenced(f"partition {number}: expected a checkpoint below epoch {epoch}, was {was}", old.epoch)
    part.in_seq = part.done_seq = old.in_seq
    part.partial = old.partial
    part.snap_in_seq, part.snap_chunks, part.created = old.snap_in_seq, old.snap_chunks, old.created
    part.carried = old.stats
    part.since, part.taken = (old.since, old.taken) if old.taken >= 0 else (old.in_seq, 0)
    return part
