"""Central configuration as services hand it around: the layer in force, each version with who and why, and what an
instance says of it."""

from __future__ import annotations

import msgspec

CHECK_CONFIG = "config_check"  # of every service: would it take these values
MONITOR = "monitor"  # who changes them
VERSION_KEY, PENDING_KEY, PINNED_KEY, REFUSED_KEY = (  # in the metadata of an instance in the registry
    "config_version",
    "config_pending",
    "config_pinned",
    "config_refused",
)

Values = dict[str, object]


class CentralLayer(msgspec.Struct, frozen=True):
    """All central values by key, in the order of the keys, and the version that they are; 0 before the first."""

    version: int = 0
    values: Values = {}


class ConfigRecord(msgspec.Struct, frozen=True):
    """A version: who made it when (nanoseconds UTC), why, for whom, and each key that it changed, old and new.

    `previous` is the revision of the layer in the bucket that it was made from, 0 for none. `values` are all of it.
    """

    version: int
    ts: int
    actor: str
    reason: str
    target: str
    previous: int
    changes: dict[str, tuple[object, object]]
    values: Values

    def layer(self) -> CentralLayer:
        """What is in force once this version is."""
        return CentralLayer(self.version, self.values)


class ConfigProposal(msgspec.Struct, frozen=True):
    """All central values as they would be."""

    values: Values


class ConfigVerdict(msgspec.Struct, frozen=True):
    """What an instance would do with a proposal. With a `refusal` nothing; else, of the settings that it uses, by name:
    what applies at once, what at a restart, and what it is given otherwise by its environment or an option."""

    refusal: str = ""
    applied: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()


__all__ = [
    "CHECK_CONFIG",
    "MONITOR",
    "PENDING_KEY",
    "PINNED_KEY",
    "REFUSED_KEY",
    "VERSION_KEY",
    "CentralLayer",
    "ConfigProposal",
    "ConfigRecord",
    "ConfigVerdict",
    "Values",
]
