"""What a stage keeps of a partition: checkpoints, chunks of snapshots, messages that are set aside, when one is due."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from marketprism_sdk.errors import Fenced, NewerFormat
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.streams import Output, StageSettings
from marketprism_sdk.streams._fence_record import Fence, FenceRecord, _record_in
from marketprism_sdk.streams._stage_types import (
    Checkpoint,
    OwnedPartition,
    Poison,
    chunk_of,
    is_checkpoint,
    newer_checkpoint,
    process_or_set_aside,
    taken_over,
    write_snapshot,
)


class Counter:
    """A processor that counts what it takes."""

    def __init__(self, state: bytes = b"") -> None:
        self.state = state
        self.taken: list[int] = []

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        """One output; an error for what is bad."""
        self.taken.append(seq)
        if payload.startswith(b"bad"):
            raise ValueError("bad: " + "x" * 2_000)
        if payload == b"newer":
            raise NewerFormat("of a newer one")
        return (Output("out", payload),)

    def snapshot(self) -> bytes:
        """All of it."""
        return self.state

    def restore(self, state: bytes) -> None:
        """Take it."""
        self.state = state

    def stats(self) -> Any:
        """How many."""
        return {"taken": len(self.taken)}


class Batch:
    """Messages of a batch."""

    def __init__(self) -> None:
        self.messages: dict[str, bytes] = {}

    async def add(self, subject: str, data: bytes) -> None:
        """One more."""
        self.messages[subject] = data


def partition(**values: Any) -> OwnedPartition:
    part = OwnedPartition(3, 7, Counter())
    for name, value in values.items():
        setattr(part, name, value)
    return part


def message(data: bytes, seq: int = 5) -> StoredMessage:
    return StoredMessage("in.3", seq, data)


def checkpoint(**values: Any) -> bytes:
    given = {"v": 1, "epoch": 6, "holder": "a", "in_seq": 40, "partial": 2, "snap_in_seq": 30, "snap_chunks": 1}
    return msgspec.msgpack.encode({**given, "stats": {"taken": 4}, **values})


def test_a_partition_begins_with_nothing() -> None:
    began = time.monotonic()
    part = OwnedPartition(3, 7, Counter())
    numbers = (
        "ck_seq",
        "in_seq",
        "partial",
        "done_seq",
        "snap_in_seq",
        "snap_chunks",
        "since",
        "taken",
        "snap_seq",
        "poisoned",
    )
    assert {name: getattr(part, name) for name in numbers} == dict.fromkeys(numbers, 0)
    assert (part.number, part.epoch, part.consumer, part.carried, part.dirty, part.created) == (
        3,
        7,
        None,
        None,
        False,
        "",
    )
    assert began <= part.snapped_at <= part.written_at <= time.monotonic()


def test_settings_and_subjects_are_those_that_are_documented() -> None:
    settings = StageSettings("bars", "IN", "in.{}".format, "OUT")
    assert (settings.commit_interval_s, settings.idle_commit_s, settings.max_batch) == (0.02, 0.5, 900)
    assert (settings.snapshot_every_s, settings.look_s, settings.refresh_s) == (5.0, 10.0, 3_600.0)
    assert settings.subject(3, "ck") == "stage.bars.3.ck"


# -- messages


def test_what_a_processor_says_goes_on() -> None:
    part = partition()
    assert process_or_set_aside(part, message(b"12345"), "dead", 5) == (Output("out", b"12345"),)
    assert part.poisoned == 0


@pytest.mark.parametrize(
    ("data", "reason"), [(b"bad", "ValueError: bad: xxx"), (b"123456", "output on out: 6 bytes, at most 5")]
)
def test_what_a_processor_cannot_take_is_set_aside_with_its_reason(data: bytes, reason: str) -> None:
    part = partition(poisoned=2)
    (output,) = process_or_set_aside(part, message(data), "dead", 5)
    poison = msgspec.msgpack.decode(output.payload, type=Poison)
    assert (output.subject, poison.seq, poison.payload, part.poisoned) == ("dead", 5, data, 3)
    assert reason in poison.reason
    assert len(poison.reason) <= 1_000


def test_of_a_long_message_a_part_is_kept_and_a_newer_one_stops_the_stage() -> None:
    (output,) = process_or_set_aside(partition(), message(b"bad" + b"x" * 70_000), "dead", 99_999)
    assert len(msgspec.msgpack.decode(output.payload, type=Poison).payload) == 65_536
    with pytest.raises(NewerFormat):
        process_or_set_aside(partition(), message(b"newer"), "dead", 99)


# -- checkpoints


def test_a_checkpoint_says_what_is_done_and_is_read_again() -> None:
    part = partition(
        in_seq=50, partial=2, snap_in_seq=40, snap_chunks=3, since=10, taken=25, created="then", written_at=0.0
    )
    data = part.checkpoint("me")
    found = msgspec.msgpack.decode(data, type=Checkpoint)
    assert found == Checkpoint(1, 7, "me", 50, 2, 40, 3, {"taken": 0}, 10, 25, "then")
    assert part.written_at > 0
    assert (is_checkpoint(data), newer_checkpoint(data)) == (True, 0)
    part.done_seq, part.carried = 60, {"taken": 9}
    found = msgspec.msgpack.decode(part.checkpoint("me"), type=Checkpoint)
    assert (found.in_seq, found.stats) == (60, {"taken": 9})


@pytest.mark.parametrize(
    ("data", "is_one", "newer"),
    [
        (checkpoint(), True, 0),
        (checkpoint(v=2), True, 2),
        (msgspec.msgpack.encode({"v": 9}), True, 9),
        (msgspec.msgpack.encode({"v": 1}), False, 0),
        (b"", False, 0),
        (b"\xff\xfe", False, 0),
        (b"\x81\xa1v\xa1\xff", False, 0),
        (b"\x91" * 100_000, False, 0),
        (b"\x82\xa1v\x01\xa1x" + b"\x91" * 100_000, False, 0),
        (checkpoint(holder="abc").replace(b"abc", b"a\xffc"), False, 0),
    ],
    ids=[
        "one",
        "a newer one",
        "unlike ours and newer",
        "without the rest",
        "nothing",
        "noise",
        "no text",
        "deep",
        "deep within",
        "no text within",
    ],
)
def test_a_checkpoint_of_any_version_is_known(data: bytes, is_one: bool, newer: int) -> None:
    assert (is_checkpoint(data), newer_checkpoint(data)) == (is_one, newer)


def test_a_partition_is_taken_over_where_its_checkpoint_left_it() -> None:
    def taken(data: bytes | None, epoch: int = 7, holder: str = "me") -> OwnedPartition:
        last = None if data is None else message(data)
        return taken_over(3, epoch, holder, lambda _number, _epoch: Counter(), last)

    fresh = taken(None)
    assert (fresh.in_seq, fresh.since, fresh.taken, fresh.carried) == (0, 0, 0, None)
    part = taken(checkpoint(since=9, taken=12, created="then"))
    assert (part.in_seq, part.done_seq, part.partial) == (40, 40, 2)
    assert (part.snap_in_seq, part.snap_chunks, part.created, part.carried) == (30, 1, "then", {"taken": 4})
    assert (part.since, part.taken) == (9, 12)
    assert ((old := taken(checkpoint())).since, old.taken) == (40, 0)  # written before that was counted
    earlier = msgspec.msgpack.decode(checkpoint(), type=Checkpoint)
    assert (earlier.since, earlier.taken, earlier.created) == (0, -1, "")
    assert ((none := taken(checkpoint(since=9, taken=0))).since, none.taken) == (9, 0)
    assert taken(checkpoint(epoch=7, holder="me")).in_seq == 40
    for data in (checkpoint(epoch=7, holder="other"), checkpoint(epoch=8, holder="me")):
        with pytest.raises(Fenced, match="expected a checkpoint below epoch 7, was"):
            taken(data)
    with pytest.raises(NewerFormat, match="of version 1 at most, was 2"):
        taken(checkpoint(v=2, epoch=99))


# -- snapshots


@pytest.mark.parametrize(("size", "chunks"), [(0, 1), (512 * 1024, 1), (512 * 1024 + 1, 2)])
async def test_a_snapshot_is_cut_into_chunks_that_say_what_they_are_of(size: int, chunks: int) -> None:
    part, batch = partition(in_seq=50, snap_seq=11), Batch()
    state = part.processor.state = bytes(range(256)) * (size // 256) + b"e" * (size % 256)  # type: ignore[attr-defined]
    await write_snapshot(part, batch, "snap", 99.0)  # type: ignore[arg-type]
    assert list(batch.messages) == [f"snap.{number}" for number in range(chunks)]
    assert b"".join(chunk_of(data, 50) or b"" for data in batch.messages.values()) == state
    assert {chunk_of(data, 51) for data in batch.messages.values()} == {None}
    assert (part.snap_in_seq, part.snap_chunks, part.snapped_at, part.snap_seq) == (50, chunks, 99.0, 0)


@pytest.mark.parametrize(
    ("values", "is_due", "snapshot"),
    [
        ({}, False, False),
        ({"dirty": True}, True, False),
        ({"written_at": 40.0}, True, True),  # 60 s ago
        ({"written_at": 40.001}, False, False),
        ({"written_at": 40.0, "partial": 1}, False, False),
        ({"in_seq": 9, "snapped_at": 95.0}, True, True),  # 5 s ago
        ({"in_seq": 9, "snapped_at": 95.001}, False, False),
        ({"in_seq": 9, "snapped_at": 95.0, "partial": 1}, False, False),
        ({"in_seq": 9, "snapped_at": 95.0, "snap_in_seq": 9}, False, False),
        ({"in_seq": 9, "snapped_at": 95.0, "done_seq": 9}, False, False),
        ({"ck_seq": 20, "snap_seq": 4, "snap_chunks": 1}, True, True),
        ({"ck_seq": 20, "snap_seq": 5, "snap_chunks": 1}, False, False),
        ({"ck_seq": 4}, True, True),
        ({"ck_seq": 4, "snap_chunks": 1}, True, True),
    ],
)
def test_a_checkpoint_is_due_where_one_would_be_missing(values: dict[str, Any], is_due: bool, snapshot: bool) -> None:
    part = partition(**{"written_at": 99.0, "snapped_at": 99.0, "ck_seq": 20, **values})
    assert part.due(100.0, 60.0, 5.0, lambda seq: seq < 5) is is_due
    assert (part.snapped_at == float("-inf")) is snapshot
    assert part.snap_seq == (values.get("snap_seq", values.get("ck_seq", 20)) if part.snap_chunks else 0)


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        ({"in_seq": 9}, True),
        ({"in_seq": 9, "partial": 1}, False),
        ({"in_seq": 9, "done_seq": 9}, False),
        ({"in_seq": 9, "snap_in_seq": 9}, False),
    ],
)
def test_who_leaves_writes_its_whole_state_where_that_is_behind(values: dict[str, Any], whole: bool) -> None:
    part = partition(**values)
    part.leave()
    assert (part.dirty, part.snapped_at == float("-inf")) == (whole, whole)


# -- fences


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"\x81\xa1x" + b"\x91" * 100_000, b"\x82\xa6holder\xa1\xff\xa5epoch\x01"]
)
def test_what_is_no_fence_is_nobodys_and_gives_way_to_the_first_epoch(data: bytes) -> None:
    assert _record_in(data) == FenceRecord("", -1)
    assert _record_in(msgspec.msgpack.encode(FenceRecord("me", 7))) == FenceRecord("me", 7)


def test_a_fence_that_was_not_raised_expects_an_empty_subject() -> None:
    fence = Fence(None, "OUT", "fence.x", "me", 7)  # type: ignore[arg-type]
    assert (fence.stream, fence.subject, fence.seq) == ("OUT", "fence.x", 0)
    assert fence.headers == {
        "Nats-Expected-Last-Subject-Sequence": "0",
        "Nats-Expected-Last-Subject-Sequence-Subject": "fence.x",
    }
