"""Validation rules: configuration, versioned, changed as a whole while running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds

_BOUNDS: Bounds = {
    "stale_s": (0.001, 86_400),
    "clock_off_s": (0.5, 86_400),
    "futures_band_percent": (0.1, 100),
    "option_band_percent": (0.1, 10_000),
    "error_weight": (0, 100),
    "warning_weight": (0, 100),
    "silence_min_s": (1, 86_400),
    "silence_factor": (1, 100_000),
    "z_low": (0.5, 100),
    "z_medium": (0.5, 100),
    "z_high": (0.5, 100),
    "z_critical": (0.5, 100),
    "jump_percent": (0.01, 1_000),
    "burst_factor": (1, 1_000_000),
    "spread_factor": (1, 1_000_000),
    "warm_up_ticks": (2, 1_000_000),
    "quality_window_s": (1, 86_400),
    "degraded_below": (0, 100),
    "restored_at": (0, 100),
}


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
        for name, (lowest, highest) in _BOUNDS.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
                raise InvalidValue(f"rules.{name}", f"a number from {lowest:g} to {highest:g}", value)
        for venue, seconds in self.stale_s_by_venue.items():
            if not 0.001 <= seconds <= 86_400:
                raise InvalidValue(f"rules.stale_s_by_venue.{venue}", "0.001 to 86400 seconds", seconds)
        if not self.z_low < self.z_medium < self.z_high < self.z_critical:
            raise InvalidValue("rules.z_low", "z_low < z_medium < z_high < z_critical", self.z_low)
        if self.degraded_below > self.restored_at:
            raise InvalidValue("rules.degraded_below", f"at most restored_at ({self.restored_at})", self.degraded_below)


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
            if isinstance(value, str):
                raise InvalidValue(f"rules.{name}", "a number", value)
        return replace(self, **changes, version=self.version + 1)

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
