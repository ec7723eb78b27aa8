"""Settings and memory of a bar builder."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Literal

from marketprism_domain.bars.windows import CascadeState, Gaps, Minute
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, Interval

DEFAULT_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BarSettings:
    """How bars are counted.

    `alignment`: `session` counts N-minute bars in session minutes across breaks, `clock` by wall clock cut at the
    section's end. `grace_s`: how long after its end a bar waits for a mark to close it. `revision_window_s`: how
    long after its end a closed bar may still be revised.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {"grace_s": (0, 3_600), "revision_window_s": (0, 3_600)}

    intervals: tuple[str, ...] = DEFAULT_INTERVALS
    alignment: Literal["session", "clock"] = "session"
    fill_empty: bool = False
    grace_s: float = 3.0
    revision_window_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.intervals:
            raise InvalidValue("intervals", "at least one", self.intervals)
        for text in self.intervals:
            if Interval.parse(text).unit == "s":
                raise InvalidValue("interval", "1m or longer (seconds come with trade streams)", text)
        if self.alignment not in ("session", "clock"):
            raise InvalidValue("alignment", "session or clock", self.alignment)
        for name, (lowest, highest) in BarSettings.BOUNDS.items():
            if not lowest <= getattr(self, name) <= highest:
                raise InvalidValue(name, f"{lowest:g} to {highest:g} seconds", getattr(self, name))


@dataclass(slots=True)
class Running:
    """Cumulative values of the trading day, to take differences from."""

    trading_day: str = ""
    volume: Decimal = ZERO
    turnover: Decimal = ZERO
    last: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None


@dataclass(slots=True)
class BuilderState:
    """Complete memory of a builder; plain data, so that any codec can keep it."""

    running: Running = field(default_factory=Running)
    current: Minute | None = None
    recent: tuple[Minute, ...] = ()  # closed minutes: the last one, and those that may still be revised
    clock: int = 0
    gaps: Gaps = ()
    late: int = 0
    cascade: CascadeState = field(default_factory=CascadeState)
