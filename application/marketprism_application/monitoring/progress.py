"""How far a run is: what was read, what each stage made of it, and how far each is behind its input."""

from __future__ import annotations

from dataclasses import dataclass, field

from marketprism_application.monitoring.reconciliation import StageSeen, StoreSeen


@dataclass
class Progress:
    """Counts so far, and the distance between each stage and its input in stream sequences."""

    finished: bool = False  # the source has ended and everything of it is in the raw stream
    rows: dict[str, int] = field(default_factory=dict)  # per source: rows read
    skipped: dict[str, int] = field(default_factory=dict)  # rows that are no tick, by reason
    accepted: int = 0
    stale: int = 0
    redelivered: int = 0
    out_of_chain: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    bars: dict[str, int] = field(default_factory=dict)
    behind: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)  # who may be behind or not: their stream has no leader
    error: str = ""  # why a source cannot go on
    away: str = ""  # why it cannot yet
    refused: dict[str, str] = field(default_factory=dict)  # instruments that are not subscribed, and why
    stages: list[StageSeen] = field(default_factory=list)
    stores: list[StoreSeen] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Everything read is validated, aggregated and stored."""
        return self.finished and not self.unknown and not any(self.behind.values())


__all__ = ["Progress"]
