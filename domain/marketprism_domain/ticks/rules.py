"""Validation rules: configuration, versioned, changed as a whole while running."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

from marketprism_domain.errors import InvalidValue
from marketprism_domain.ticks.rule_list import BY_VENUE, ORDERS, RULES, RuleRow
from marketprism_domain.values import Bounds

_BOUNDS: Bounds = {row.name: (row.lowest, row.highest) for row in RULES}
_MOST_VENUES = 100


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """The numbers that ticks are judged by.

    Seconds and percent as named. `stale_s_by_venue` overrides `stale_s`. A stream is degraded when a window's score
    falls below `degraded_below` and restored when one reaches `restored_at`. A receive clock is off that differs from
    the venue's by more than `clock_off_s`, and right again below half of that.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = _BOUNDS

    stale_s: float = 5.0
    stale_s_by_venue: Mapping[str, float] = field(default_factory=dict)
    futures_band_percent: float = 10.0
    option_band_percent: float = 30.0
    error_weight: int = 20
    warning_weight: int = 5
    silence_min_s: float = 60.0
    silence_factor: float = 30.0
    z_low: float = 3.0
    z_medium: float = 4.0
    z_high: float = 5.0
    z_critical: float = 6.0
    jump_percent: float = 3.0
    burst_factor: float = 100.0
    spread_factor: float = 50.0
    warm_up_ticks: int = 100
    quality_window_s: float = 60.0
    degraded_below: int = 80
    restored_at: int = 95
    clock_off_s: float = 3.0

    def __post_init__(self) -> None:
        for row in RULES:
            _check(row, f"rules.{row.name}", getattr(self, row.name))
        _check_venues(self.stale_s_by_venue)
        for order in ORDERS:
            values = {name: getattr(self, name) for name in order.names}
            if not order.holds(values):
                raise InvalidValue(f"rules.{order.names[0]}", order.text, values[order.names[0]])


def _check(row: RuleRow, field_name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not row.lowest <= value <= row.highest:  # type: ignore[operator]
        raise InvalidValue(field_name, f"a number from {row.lowest:g} to {row.highest:g}", value)


def _check_venues(seconds_by_venue: object) -> None:
    name = f"rules.{BY_VENUE.name}"
    if not isinstance(seconds_by_venue, Mapping):
        raise InvalidValue(name, "seconds by venue", seconds_by_venue)
    for venue, seconds in seconds_by_venue.items():
        _check(BY_VENUE, f"{name}.{venue}", seconds)


def _check_change(name: str, value: object) -> None:
    """What is asked of a change alone: what was stored before this was asked stays readable."""
    for row in RULES:
        if row.name == name and row.whole and not isinstance(value, int):
            raise InvalidValue(f"rules.{name}", f"a whole number from {row.lowest:g} to {row.highest:g}", value)
    if name != BY_VENUE.name or not isinstance(value, Mapping):
        return
    if len(value) > _MOST_VENUES:
        raise InvalidValue(f"rules.{name}", f"at most {_MOST_VENUES} venues", len(value))
    for venue in value:
        if not isinstance(venue, str) or not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", venue):
            raise InvalidValue(f"rules.{name}", "names of venues in lower case", venue)


@dataclass(frozen=True, slots=True)
class ValidationRules(RuleSettings):
    """One version of the rules."""

    version: int = 1

    @classmethod
    def of(cls, settings: RuleSettings) -> ValidationRules:
        """The first rules of a process: version 1 as they stand here, version 2 where the settings change them."""
        rules = cls()
        changes = {item.name: getattr(settings, item.name) for item in fields(RuleSettings)}
        changes = {name: value for name, value in changes.items() if value != getattr(rules, name)}
        return rules.changed(**changes) if changes else rules

    def changed(self, **changes: Any) -> ValidationRules:
        """The next version with some values changed, all or none.

        Raises:
            InvalidValue: an unknown name, or a value out of range.
        """
        known = {item.name for item in fields(self)} - {"version"}
        for name, value in changes.items():
            if name not in known:
                raise InvalidValue("rules", f"one of {', '.join(sorted(known))}", name)
            _check_change(name, value)
        return replace(self, **changes, version=self.version + 1)

    def differences(self, other: ValidationRules) -> dict[str, tuple[object, object]]:
        """Values that are others there, by name: (here, there)."""
        pairs = {name: (value, getattr(other, name)) for name, value in self.values().items()}
        return {name: (here, there) for name, (here, there) in pairs.items() if here != there}

    def values(self) -> dict[str, object]:
        """The values by the name of the rule, without the version."""
        values = self.to_dict()
        del values["version"]
        return values

    def to_dict(self) -> dict[str, Any]:
        """The rules as plain values, for messages and JSON."""
        return {**asdict(self), "stale_s_by_venue": dict(self.stale_s_by_venue)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ValidationRules:
        """Rules of a plain form; unknown names are refused."""
        known = {item.name for item in fields(cls)}
        for name in values:
            if name not in known:
                raise InvalidValue("rules", f"one of {', '.join(sorted(known))}", name)
        return cls(**values)
