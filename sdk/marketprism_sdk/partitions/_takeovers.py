"""Partitions that change hands: what is told of it, and when one that could not be taken over is tried again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from marketprism_sdk.clock import Clock

_FIRST_S, _LONGEST_S = 0.1, 1.0


@dataclass(frozen=True, slots=True)
class ShardClaimed:
    """This member owns a partition; `replaced` names the member that held it and is gone, empty where it was free."""

    member: str
    partition: int
    epoch: int
    replaced: str = ""


@dataclass(frozen=True, slots=True)
class ShardReleased:
    """This member owns a partition no longer."""

    member: str
    partition: int
    epoch: int


@dataclass(frozen=True, slots=True)
class ShardDisagreed:
    """Record, ownership and work of a partition were not the same; what was left of them was given up.

    `reason`: take_over_failed, held_unowned (the record names this member, who does not own it), owned_unheld (it owns
    what the record does not give it), owned_idle (nobody works on what it owns), worked_unowned.
    """

    member: str
    partition: int
    reason: str


class Retries:
    """Pauses after take-overs that failed, doubled each time: mostly the former owner's last commit is on its way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[int, tuple[float, float]] = {}  # when, and the pause before

    def failed(self, partition: int) -> None:
        """It could not be taken over."""
        before = self._next.get(partition)
        pause_s = _FIRST_S if before is None else min(2 * before[1], _LONGEST_S)
        self._next[partition] = (self._clock.monotonic_s() + pause_s, pause_s)

    def forget(self, partition: int) -> None:
        """It was taken over, or is somebody else's."""
        self._next.pop(partition, None)

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the pauses of all other partitions."""
        self._next = {p: pause for p, pause in self._next.items() if p in partitions}

    def waiting(self) -> set[int]:
        """Partitions whose pause is not over."""
        now = self._clock.monotonic_s()
        return {p for p, (at, _) in self._next.items() if at > now}

    def due(self) -> bool:
        """Whether the pause of some partition is over."""
        return len(self.waiting()) < len(self._next)
