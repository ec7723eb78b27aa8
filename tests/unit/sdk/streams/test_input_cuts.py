"""How a stream differs from what a partition's checkpoint says, and where the partition goes on."""

from __future__ import annotations

import zlib
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest

from marketprism_sdk.streams import InputState, Output, OwnedPartition
from marketprism_sdk.streams._stage_input import InputCut, InputRefused, cut_of, read_on


class Counts:
    """A processor that would count twice what comes twice."""

    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        """Nothing."""
        return ()

    def snapshot(self) -> bytes:
        """Nothing."""
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing."""

    def stats(self) -> Any:
        """Nothing."""
        return {}


class KnowsAgain(Counts):
    """One that knows messages which come a second time."""

    def __init__(self) -> None:
        self.cuts: list[InputCut] = []

    def truncated(self, cut: InputCut) -> None:
        """Note it."""
        self.cuts.append(cut)


def partition(processor: Counts | None = None, **values: Any) -> OwnedPartition:
    part = OwnedPartition(3, 7, processor or KnowsAgain())
    for name, value in {"snap_in_seq": 40, "done_seq": 50, "in_seq": 40, "created": "then", **values}.items():
        setattr(part, name, value)
    return part


def log_of(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


@pytest.mark.parametrize(
    ("values", "state", "cut"),
    [
        ({}, InputState("then", 41, 60), None),
        ({}, InputState("then", 1, 50), None),
        ({}, InputState("then", 42, 60), InputCut(41, 42, 1)),
        ({}, InputState("then", 51, 60), InputCut(41, 51, 10)),
        ({}, InputState("then", 99, 120), InputCut(41, 99, 10)),
        ({"done_seq": 0}, InputState("then", 60, 70), InputCut(41, 60, 0)),
        (
            {},
            InputState("then", 1, 49),
            InputCut(51, 1, 10, log_of("then 50"), "the checkpoint is at 50, the stream ends at 49"),
        ),
        ({}, InputState("now", 1, 99), InputCut(51, 1, 10, log_of("now 50"), "the stream was made anew")),
        ({"created": ""}, InputState("now", 1, 99), None),
        ({"done_seq": 0}, InputState("now", 1, 99), InputCut(41, 1, 0, log_of("now 40"), "the stream was made anew")),
    ],
)
def test_a_cut_says_what_was_wanted_and_what_is_there(
    values: dict[str, Any], state: InputState, cut: InputCut | None
) -> None:
    assert cut_of(partition(**values), state) == cut


def test_a_processor_that_would_count_twice_reads_no_log_again() -> None:
    with pytest.raises(InputRefused, match="partition 3: expected stream IN to go on at 51, made anew"):
        read_on(partition(Counts()), InputCut(51, 1, 0, "abc", "made anew"), "IN")
    part = partition(Counts())
    read_on(part, InputCut(41, 45), "IN")
    assert part.in_seq == 44


@pytest.mark.parametrize(
    ("cut", "places"),
    [
        # in_seq, done_seq, partial, since, taken
        (InputCut(41, 45, 4), (44, 50, 2, 5, 6)),
        (InputCut(41, 51, 10), (50, 50, 2, 5, 6)),
        (InputCut(41, 52, 10), (51, 50, 0, 5, 6)),
        (InputCut(51, 10, 0, "abc", "made anew"), (9, 0, 0, 9, 0)),
    ],
)
def test_a_partition_goes_on_behind_the_cut_and_its_processor_is_told(cut: InputCut, places: tuple[int, ...]) -> None:
    part = partition(partial=2, since=5, taken=6)
    read_on(part, cut, "IN")
    assert (part.in_seq, part.done_seq, part.partial, part.since, part.taken) == places
    assert part.processor.cuts == [cut]  # type: ignore[attr-defined]
    assert InputCut(1, 2) == InputCut(1, 2, 0, "", "")


def test_a_stream_that_was_replaced_is_told_of_as_an_error(logs: list[MutableMapping[str, Any]]) -> None:
    read_on(partition(), InputCut(41, 45), "IN")
    assert logs == []
    read_on(partition(), InputCut(51, 1, 3, "abc", "made anew"), "IN")
    (told,) = logs
    assert (told["event"], told["log_level"], told["wanted"], told["reason"]) == (
        "input.replaced",
        "error",
        51,
        "made anew",
    )
