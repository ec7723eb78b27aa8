"""Central configuration as services hand it around: the layer in force, each version with who and why, and what an
instance says of it."""

from __future__ import annotations

import msgspec

CHECK_CONFIG = "config_check"  # of every service: would it take these values
CONFIG_GIVEN = "config_given"  # of every service: what it runs with, and from where
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


class InstanceStanding(msgspec.Struct, frozen=True):
    """What an instance says of its central configuration in the registry."""

    service: str
    instance: str
    version: int
    pending: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    refused: str = ""

    @property
    def key(self) -> str:
        """Its name among all instances, `<service>.<instance>`."""
        return f"{self.service}.{self.instance}"


class ValueGiven(msgspec.Struct, frozen=True):
    """What an instance runs with of a setting, as people may see it, and from where: `file`, `central`, `environment`
    or `option`; also `default` where several instances are compared."""

    value: object
    layer: str


class ValueInForce(msgspec.Struct, frozen=True):
    """A value of a setting, from where it is, and the instances, `<service>.<instance>`, that run with it."""

    value: object
    layer: str
    instances: tuple[str, ...]


class ValuesPage(msgspec.Struct, frozen=True):
    """Values in force by setting, of those that are not everywhere the default; `silent` says who did not answer, and
    why."""

    values: dict[str, list[ValueInForce]]
    silent: dict[str, str] = {}


class ChangeReport(msgspec.Struct, frozen=True):
    """What became of a change. `version` is that in force, of a dry run the one it would change.

    `applied`, `pending` and `pinned` are settings by `<service>.<instance>`; `unconfirmed` and `silent` say why.
    `rolled_back` is the version that took it back, 0 for none.
    """

    version: int
    changes: dict[str, tuple[object, object]]
    dry_run: bool = False
    applied: dict[str, tuple[str, ...]] = {}
    pending: dict[str, tuple[str, ...]] = {}
    pinned: dict[str, tuple[str, ...]] = {}
    silent: dict[str, str] = {}
    unconfirmed: dict[str, str] = {}
    rolled_back: int = 0


class SettingRow(msgspec.Struct, frozen=True):
    """A setting: its default, its central values by whom they are for, and when a change of it applies.

    `services` are those that use it. `options` are all values that it may have, empty where they are not few. A
    `secret` is given as `secret:<name>`. `meaning` and `why` (it cannot be set centrally) are texts by language.
    """

    name: str
    default: object
    central: dict[str, object]
    applies: str
    why_fixed: str = ""
    services: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    secret: bool = False
    meaning: dict[str, str] = {}
    why: dict[str, str] = {}


class SettingsPage(msgspec.Struct, frozen=True):
    """Settings, and the version of the central configuration that they are of."""

    version: int
    settings: list[SettingRow]


class ConfigDifference(msgspec.Struct, frozen=True):
    """(before, after) of each key that differs, None for none."""

    first: int
    last: int
    changes: dict[str, tuple[object, object]]


__all__ = [
    "CHECK_CONFIG",
    "CONFIG_GIVEN",
    "MONITOR",
    "PENDING_KEY",
    "PINNED_KEY",
    "REFUSED_KEY",
    "VERSION_KEY",
    "CentralLayer",
    "ChangeReport",
    "ConfigDifference",
    "ConfigProposal",
    "ConfigRecord",
    "ConfigVerdict",
    "InstanceStanding",
    "SettingRow",
    "SettingsPage",
    "ValueGiven",
    "ValueInForce",
    "Values",
    "ValuesPage",
]
