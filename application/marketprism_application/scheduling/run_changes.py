"""What a look at a job changes: what is told of its runs, and what is to be done for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from marketprism_application.contracts.schedule_records import RunRecord
from marketprism_domain.scheduling.runs import RunId, RunStatus


@dataclass(frozen=True, slots=True)
class Begin:
    """Give the command of an attempt under its key; giving it twice is giving it once."""

    run: RunId
    key: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Make sure that the command of an attempt is not begun, or ends; what became of it is told to the track."""

    run: RunId
    key: str
    reason: str
    is_timeout: bool = False


Action = Begin | GiveUp


@dataclass(slots=True)
class Changes:
    """What is to be stored, and then done."""

    records: list[RunRecord] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def add(self, more: Changes) -> None:
        """Take over what another look has changed."""
        self.records.extend(more.records)
        self.actions.extend(more.actions)


class Outcome(msgspec.Struct, frozen=True):
    """What became of the command of an attempt."""

    status: RunStatus  # succeeded, failed, timed_out or cancelled
    reason: str = ""
    output: object = None
    ran_s: float = 0.0
    is_final: bool = False  # trying again is of no use


__all__ = ["Action", "Begin", "Changes", "GiveUp", "Outcome"]
