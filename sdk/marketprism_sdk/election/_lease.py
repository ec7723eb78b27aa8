"""The lease: its settings, its record, its events and the port of the probe."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

import msgspec

from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

LEASES = "service_leaders"  # the bucket
# How much faster than the leader's a standby's clock may run.
CLOCK_SLACK = 1.02
_LONGEST_S = 3_600.0


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Seconds. `hook_s` is how long `on_activate` and `on_deactivate` may take.

    A lease must outlive two heartbeats, or one lost renewal ends it; a probe must be quicker than a heartbeat, or it
    sees nothing that the heartbeat does not.

    Raises:
        InvalidSetting: values that make no lease; the text names them.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    lease_s: float = 1.0
    heartbeat_s: float = 0.25
    probe_s: float = 0.05
    probe_timeout_s: float = 0.12
    probes: int = 2
    hook_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.lease_s <= _LONGEST_S:
            raise InvalidSetting(f"lease: expected lease_s of at most {_LONGEST_S:g}, was {self.lease_s}")
        if not self.lease_s > 2 * self.heartbeat_s or not self.heartbeat_s > self.probe_s > 0:
            raise InvalidSetting(
                "lease: expected lease_s > 2 x heartbeat_s and heartbeat_s > probe_s > 0, because a leader must "
                "survive one lost renewal and be missed before its lease ends; "
                f"was {self.lease_s}, {self.heartbeat_s}, {self.probe_s}"
            )
        if self.probes < 1:
            raise InvalidSetting(f"lease: expected probes of at least 1, was {self.probes}")
        if not 0 < self.hook_s <= _LONGEST_S:
            raise InvalidSetting(f"lease: expected hook_s of more than 0 and at most {_LONGEST_S:g}, was {self.hook_s}")
        if not 0 < self.probe_timeout_s < self.lease_s:
            raise InvalidSetting(
                "lease: expected 0 < probe_timeout_s < lease_s, because a probe that hangs must not outlast the lease "
                f"that it is to shorten; was {self.probe_timeout_s}, {self.lease_s}"
            )


# One more than any of these can still be written; a larger one is no epoch that anybody has reached.
Epoch = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class LeaseRecord(msgspec.Struct, frozen=True):
    """What the key holds."""

    holder: str
    epoch: Epoch
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
    """Asks whether the holder of an epoch is connected. `outages` counts how often the own connection was away."""

    outages: int

    async def serve(self, epoch: int) -> None:
        """Answer probes for this epoch."""
        ...

    async def stop(self) -> None:
        """Stop answering probes: whoever asks takes this holder for gone."""
        ...

    async def unanswered(self, epoch: int, holder: str, timeout_s: float) -> bool:
        """True when the server says that nobody answers for this holder, False when the holder answered.

        Raises:
            SdkError: neither is known.
        """
        ...


def encode_lease(holder: str, epoch: int, state: str, endpoint: str) -> bytes:
    """The value of the key."""
    return msgspec.msgpack.encode(LeaseRecord(holder, epoch, state, endpoint))


def decode_lease(entry: KvEntry | None) -> LeaseRecord | None:
    """The record of an entry, None for no entry.

    A value that is no record is as good as free: the next holder writes a new one, and if its epoch is too low the
    fences say so.
    """
    if entry is None:
        return None
    return decode_or_none(entry, LeaseRecord) or LeaseRecord("", 0, "released")
