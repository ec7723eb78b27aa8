"""Events of trading sessions: what the calendar expects and what the venue says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PreMarketOpened:
    """A call auction began."""

    venue: str
    trading_day: str
    product: str = ""


@dataclass(frozen=True, slots=True)
class TradingSessionOpened:
    """A section of continuous trading began."""

    venue: str
    trading_day: str
    section: int
    product: str = ""


@dataclass(frozen=True, slots=True)
class TradingSessionPaused:
    """A break began."""

    venue: str
    trading_day: str
    section: int
    product: str = ""


@dataclass(frozen=True, slots=True)
class TradingSessionResumed:
    """Trading goes on after a break."""

    venue: str
    trading_day: str
    section: int
    product: str = ""


@dataclass(frozen=True, slots=True)
class TradingSessionClosed:
    """The trading day's last section ended."""

    venue: str
    trading_day: str
    product: str = ""


@dataclass(frozen=True, slots=True)
class MarketHalted:
    """Trading stopped outside the calendar."""

    venue: str
    reason: str
    product: str = ""


@dataclass(frozen=True, slots=True)
class AfterHoursOpened:
    """Trading after the close began."""

    venue: str
    trading_day: str
    product: str = ""


@dataclass(frozen=True, slots=True)
class TradingHoursOverruled:
    """The venue trades when the table says that it does not, or not yet; 0 where the table has no such section."""

    venue: str
    product: str
    trading_day: str
    ts_open: int
    ts_close: int
    table_open: int
    table_close: int


@dataclass(frozen=True, slots=True)
class HolidaysNotAnnounced:
    """Closed days are announced up to `known_to` (a date) and no further; so many days are left, 0 when it is past."""

    known_to: str
    days: int


@dataclass(frozen=True, slots=True)
class MarketStatusReceived:
    """The source told a phase of trading."""

    venue: str
    product: str
    status: str
