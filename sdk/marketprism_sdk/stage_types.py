"""What a stage is made of: outputs, the port of a processor, settings, the checkpoint, a partition's state."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from marketprism_sdk.nats.pull import PullConsumer


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
        """Complete state."""
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


class Checkpoint(msgspec.Struct, frozen=True):
    """`in_seq` is done; of the message behind it the first `partial` outputs are done too."""

    v: int
    epoch: int
    holder: str
    in_seq: int
    partial: int
    snap_in_seq: int
    snap_chunks: int
    stats: Any


class Part:
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
        self.skip = 0
        self.snap_in_seq = 0
        self.snap_chunks = 0
        self.snapped_at = time.monotonic()
        self.dirty = False
