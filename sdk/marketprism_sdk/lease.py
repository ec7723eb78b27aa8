"""The lease: its settings, its record, its events and the port of the probe."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

import msgspec

from marketprism_sdk.errors import ConfigurationError

# How much faster than the leader's a standby's clock may run.
CLOCK_SLACK = 1.02


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Seconds. A lease must outlive two heartbeats, or one lost renewal ends it; probes must be quicker than both."""

    lease_s: float = 1.0
    heartbeat_s: float = 0.25
    probe_s: float = 0.05
    probe_timeout_s: float = 0.12
    probes: int = 2
    hook_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.lease_s > 2 * self.heartbeat_s > self.probe_s > 0:
            raise ConfigurationError(
                "lease: expected lease_s > 2 x heartbeat_s > probe_s > 0, because a leader must survive one lost "
                f"renewal and be missed before its lease ends; was {self.lease_s}, {self.heartbeat_s}, {self.probe_s}"
            )
        if self.probes < 1:
            raise ConfigurationError(f"lease: expected at least one probe, was {self.probes}")


class LeaseRecord(msgspec.Struct, frozen=True):
    """What the key holds."""

    holder: str
    epoch: int
    state: str  # held, released
    endpoint: str = ""


class Role(enum.Enum):
    """What this candidate is."""

    STANDBY = "standby"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class LeaseAcquired:
    """This holder leads under `epoch`; `takeover_s` since the previous leader was last seen."""

    key: str
    holder: str
    epoch: int
    takeover_s: float


@dataclass(frozen=True, slots=True)
class LeaseRenewed:
    """The lease was renewed, `late_s` after it was due."""

    key: str
    holder: str
    epoch: int
    late_s: float


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """This holder no longer leads."""

    key: str
    holder: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseReleased:
    """This holder gave the lease back."""

    key: str
    holder: str
    epoch: int


class Prober(Protocol):
    """Asks whether the holder of an epoch is connected."""

    async def serve(self, epoch: int) -> None:
        """Answer probes for this epoch."""
        ...

    async def stop(self) -> None:
        """Answer no longer."""
        ...

    async def gone(self, epoch: int, timeout_s: float) -> bool:
        """True only when the server says that nobody answers for this epoch; a timeout is no sign of death."""
        ...
