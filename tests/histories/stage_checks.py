"""Exactly once of a stage: what its streams hold, against what follows from its input.

The stage counts and sums the numbers of each partition, so that one that is lost, doubled or out of its order shows in
every output behind it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_MOST_TOLD = 20


@dataclass
class Judged:
    """Counts of what was looked at, and what was wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        """One more wrong; the first are told."""
        self.counts["violations"] += 1
        if len(self.wrong) < _MOST_TOLD:
            self.wrong.append(text)


def outputs_of(numbers: Sequence[int], every: int, partition: int) -> tuple[list[str], list[str]]:
    """Outputs and side messages that a partition's numbers give."""
    outputs, side, total = [], [], 0
    for count, number in enumerate(numbers, 1):
        total += number
        text = f"{count} {total} {number}"
        outputs += [text] * (2 if count % 3 == 0 else 1)
        if count % every == 0:
            side.append(f"{partition}:{text}")
    return outputs, side


def judge_stage(
    stored: Iterable[dict[str, Any]], acknowledged: Iterable[int], *, every: int, complete: bool = True
) -> Judged:
    """Judge the messages of three streams, each in its order: lines with `stream` (`in`, `out`, `side`, `checkpoint`),
    `partition` and `value`; `acknowledged` are numbers whose source was told that they are stored."""
    judged = Judged()
    numbers: dict[int, list[int]] = defaultdict(list)
    outputs: dict[int, list[str]] = defaultdict(list)
    side: Counter[str] = Counter()
    places: dict[int, list[int]] = {}
    last = 0
    for line in stored:
        stream, partition, value = line["stream"], int(line["partition"]), line["value"]
        judged.counts[stream] += 1
        if stream == "in":
            if value != last + 1:
                judged.complain(f"in: expected {last + 1} of the source, was {value}")
            last = max(last, value)
            numbers[partition].append(value)
        elif stream == "out":
            outputs[partition].append(value)
        elif stream == "side":
            side[f"{partition}:{value}"] += 1
        else:
            _checkpoint(judged, places, partition, value)
    missing = set(acknowledged) - {number for each in numbers.values() for number in each}
    if missing:
        judged.complain(f"in: {len(missing)} acknowledged numbers are not stored, the first {min(missing)}")
    expected_side: Counter[str] = Counter()
    for partition in sorted(numbers.keys() | outputs.keys()):
        expected, beside = outputs_of(numbers[partition], every, partition)
        expected_side.update(beside)
        found = outputs[partition]
        for at, (right, was) in enumerate(zip(expected, found, strict=False)):
            if right != was:
                judged.complain(f"out: expected {right!r} as output {at + 1} of partition {partition}, was {was!r}")
                break
        if len(found) > len(expected) or (complete and len(found) < len(expected)):
            judged.complain(f"out: expected {len(expected)} outputs of partition {partition}, were {len(found)}")
    for text, count in sorted(side.items()):
        if count > 1 or text not in expected_side:
            judged.complain(f"side: {text!r} is there {count} times, expected {expected_side[text]}")
    if complete and (lacking := expected_side.keys() - side.keys()):
        judged.complain(f"side: {len(lacking)} messages are not there, the first {min(lacking)!r}")
    return judged


def _checkpoint(judged: Judged, places: dict[int, list[int]], partition: int, value: list[int]) -> None:
    """`value` is epoch and place of the input; neither may go back."""
    before = places.get(partition, [0, 0])
    if value[0] < before[0] or value[1] < before[1]:
        judged.complain(f"checkpoint of partition {partition}: went back from {before} to {value}")
    places[partition] = value


__all__ = ["Judged", "judge_stage", "outputs_of"]
