"""What happened, as streams show it: records of what was taken, in their order, from a simulation or from a true server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from marketprism_sdk.election._lease import LeaseRecord
from marketprism_sdk.partitions._membership import SESSION_PREFIX, SessionRecord
from marketprism_sdk.partitions._owners import OwnerRecord, partition_of_key
from marketprism_sdk.streams._fence_record import FenceRecord
from marketprism_sdk.streams._stage_types import Checkpoint, is_checkpoint

_FENCE_OF = "Nats-Expected-Last-Subject-Sequence"
_BATCH = "Nats-Batch-Id"
Record = dict[str, Any]


class Recorder:
    """Makes records of messages that streams took.

    `lease`, `fence`, `write`: of an election. `session`, `own`, `batch`: of shards and their stage, where each output
    of `out.<partition>` begins with the number of the input that it is of.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._holders: dict[int, str] = {}  # of an epoch of the lease
        self._fences: dict[int, tuple[str, int]] = {}  # by the sequence of the record
        self._inputs: dict[int, list[int]] = {}
        self._sessions: dict[str, str] = {}
        self._outputs: dict[int, list[int]] = {}
        self._batch = ""

    def take(self, stream: str, subject: str, headers: Mapping[str, str], data: bytes, seq: int) -> None:
        """A message was stored."""
        if stream.startswith("KV_"):
            self._entry(stream, subject.split(".", 2)[2], data)
        elif subject in ("log.fence", "fence.in"):
            fence = msgspec.msgpack.decode(data, type=FenceRecord)
            self._fences[seq] = (fence.holder, fence.epoch)
            self._say("fence", holder=fence.holder, epoch=fence.epoch)
        elif subject == "log.entry":
            epoch = int(data)
            self._say("write", holder=self._holders[epoch], epoch=epoch)
        elif subject.startswith("in."):
            self._inputs.setdefault(int(subject[3:]), []).append(seq)
            if (expected := headers.get(_FENCE_OF)) is not None:  # of a batch the first message carries it
                holder, epoch = self._fences.get(int(expected), ("", 0))
                self._say("write", holder=holder, epoch=epoch)
        elif subject.startswith("out."):
            self._outputs.setdefault(int(subject[4:]), []).append(int(data.split()[0]))
        elif subject.endswith(".ck") and is_checkpoint(data):
            self._checkpoint(int(subject.split(".")[2]), headers.get(_BATCH, ""), data)

    def _say(self, kind: str, **fields: object) -> None:
        self.records.append({"kind": kind, **fields})

    def _entry(self, bucket: str, key: str, data: bytes) -> None:
        if bucket == "KV_leaders":
            lease = msgspec.msgpack.decode(data, type=LeaseRecord)
            self._holders[lease.epoch] = lease.holder
            self._say("lease", holder=lease.holder, epoch=lease.epoch, held=lease.state == "held")
        elif key.startswith(SESSION_PREFIX):
            name = key.removeprefix(SESSION_PREFIX)
            state = msgspec.msgpack.decode(data, type=SessionRecord).state if data else "dead"
            if self._sessions.get(name, "dead") != state:  # a heartbeat changes nothing
                self._sessions[name] = state
                self._say("session", member=name, state=state)
        elif (partition := partition_of_key(key)) is not None:
            owner = msgspec.msgpack.decode(data, type=OwnerRecord)
            self._say("own", partition=partition, holder=owner.holder, epoch=owner.epoch, held=owner.state == "held")

    def _checkpoint(self, partition: int, batch: str, data: bytes) -> None:
        found = msgspec.msgpack.decode(data, type=Checkpoint)
        done = sum(seq <= found.in_seq for seq in self._inputs.get(partition, ()))
        outputs = self._outputs.pop(partition, [])
        entry = {
            "partition": partition,
            "holder": found.holder,
            "epoch": found.epoch,
            "old": outputs[0] - 1 if outputs else done,
            "new": done,
        }
        if outputs and (outputs[-1] != done or sorted(set(outputs)) != list(range(outputs[0], outputs[-1] + 1))):
            entry["outputs"] = outputs  # not those of the inputs behind `old` up to `new`: no model does that
        if batch and batch == self._batch:
            self.records[-1]["entries"].append(entry)
        else:
            self._say("batch", entries=[entry])
        self._batch = batch


__all__ = ["Record", "Recorder"]
