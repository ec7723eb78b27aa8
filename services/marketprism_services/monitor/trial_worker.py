"""The process that judges the raw log by two sets of rules: it computes and has no connection to anything.

Frames come on standard input, each with its length before it, and one goes back on standard output: the result. It is
nice to all others, ends with its parent, and holds the memory of one partition and a few messages at a time.
"""

from __future__ import annotations

import os
import pickle
import resource
import struct
import sys
from typing import BinaryIO

import msgspec

from marketprism_application.validation.rules_trial import RulesTrial
from marketprism_domain.ticks.rules import ValidationRules

LENGTH = struct.Struct(">I")
_NICE = 10
_CPU_S = 120


class TrialRules(msgspec.Struct, tag=True):
    """The first frame. `calendar` is pickled: it comes from the parent, which is the same program."""

    calendar: bytes
    now: dict[str, object]
    new: dict[str, object]


class TrialPartition(msgspec.Struct, tag=True):
    """The next partition, see `RulesTrial.begin`."""

    partition: int
    state: bytes | None
    is_cut: bool


class TrialMessages(msgspec.Struct, tag=True):
    """Messages of it, see `RulesTrial.feed`."""

    counted_from: int
    messages: list[tuple[int, bytes]]


class TrialEnd(msgspec.Struct, tag=True):
    """There are no more."""


Frame = TrialRules | TrialPartition | TrialMessages | TrialEnd


def judge(source: BinaryIO) -> dict[str, object]:
    """The result of the frames.

    Raises:
        EOFError: the parent has gone, or wanted no more of it.
    """
    decoder = msgspec.msgpack.Decoder(Frame)
    trial: RulesTrial | None = None
    while True:
        frame = decoder.decode(_read(source))
        if isinstance(frame, TrialRules):
            calendar = pickle.loads(frame.calendar)  # noqa: S301 (our own parent's)
            rules = (ValidationRules.from_dict(each) for each in (frame.now, frame.new))
            trial = RulesTrial(calendar, *rules)
            continue
        if trial is None:
            raise ValueError("trial: expected the rules first")
        if isinstance(frame, TrialPartition):
            trial.begin(frame.partition, frame.state, is_cut=frame.is_cut)
        elif isinstance(frame, TrialMessages):
            trial.feed(frame.messages, frame.counted_from)
        else:
            return trial.result()


def _read(source: BinaryIO) -> bytes:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    data = source.read(length)
    if len(data) < length:
        raise EOFError
    return data


def main() -> int:
    """Judge what comes on standard input."""
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    try:
        found = judge(sys.stdin.buffer)
    except EOFError:
        return 1
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
