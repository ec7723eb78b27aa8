"""What a bar is made of and where it lies: windows, minutes, and what is remembered of longer bars. Plain data, so that
any codec can keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.sessions.sessions import Session
from marketprism_domain.values import NANOS_PER_MINUTE

Gaps = tuple[tuple[int, int], ...]


class Window(NamedTuple):
    """Half-open range of a bar, and the trading day it ends in."""

    ts_open: int
    ts_close: int
    trading_day: str

    def meets(self, gaps: Gaps) -> bool:
        """Whether any of the ranges touches this window. The tick that ends a gap brings what was traded in it: its end
        belongs to it."""
        return any(start < self.ts_close and self.ts_open <= end for start, end in gaps)


class Minute(NamedTuple):
    """What one window of one instrument amounts to: a minute, or a longer bar made of minutes."""

    window: Window
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    open_interest: Decimal | None
    ticks: int
    gap: bool
    revision: int
    source: str
    epoch: int
    ts_recv: int
    ts_pub: int


@dataclass(slots=True)
class CascadeState:
    """Bars that are being made and the last closed one, by interval."""

    making: dict[str, Minute] = field(default_factory=dict)
    closed: dict[str, Minute] = field(default_factory=dict)


def minute_window(session: Session, start: int) -> Window:
    """The session minute that starts at `start`."""
    return Window(start, start + NANOS_PER_MINUTE, session.trading_day)
