"""What makes a job due, as a text that people write and as a value that is computed with.

cron 10 3 * * 1-5 Asia/Shanghai     five fields, then an IANA time zone (UTC where there is none)
every 15m +30s                      a period, and how long after its beginning; periods begin at 1970-01-01 UTC
session shfe.rb day_open -30m       an anchor of the trading day of a product, and how long before or after it
funding okx +30s                    the instants at which a venue settles funding, and how long after them
after                               when the jobs that it depends on have run
manual                              when somebody asks for it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import NANOS_PER_SECOND, Symbol, Venue

FORMS = "cron …, every …, session …, funding …, after or manual"
SHORTEST_PERIOD_S = 1
LONGEST_PERIOD_S = 366 * 86_400
LONGEST_OFFSET_S = 7 * 86_400
_CRON_FIELDS = 5
_SPAN = re.compile(r"([+-]?)([0-9]{1,9})(ms|s|m|h|d)")
_UNITS_NS = {
    "ms": NANOS_PER_SECOND // 1000,
    "s": NANOS_PER_SECOND,
    "m": 60 * NANOS_PER_SECOND,
    "h": 3600 * NANOS_PER_SECOND,
    "d": 86_400 * NANOS_PER_SECOND,
}


class SessionAnchor(StrEnum):
    """A place in a trading day. Days without a night have no `NIGHT_OPEN`, days of one section no `BREAK`."""

    NIGHT_OPEN = "night_open"
    DAY_OPEN = "day_open"  # of the first section that is no night
    BREAK = "break"  # the end of each section that another one follows, nights apart
    DAY_CLOSE = "day_close"  # the end of the last section
    TRADING_DAY_END = "trading_day_end"  # the same instant: what people look for by that name


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """Five fields of cron in a time zone. Whether they can be read is checked where they are computed with."""

    expression: str
    zone: str = "UTC"

    def __str__(self) -> str:
        return f"cron {self.expression} {self.zone}"


@dataclass(frozen=True, slots=True)
class EveryTrigger:
    """A period, in nanoseconds, that begins at the epoch; due `offset_ns` after each beginning.

    Raises:
        InvalidValue: a period below a second or above a year, an offset outside the period.
    """

    period_ns: int
    offset_ns: int = 0

    def __post_init__(self) -> None:
        lowest, highest = SHORTEST_PERIOD_S * NANOS_PER_SECOND, LONGEST_PERIOD_S * NANOS_PER_SECOND
        if not lowest <= self.period_ns <= highest:
            raise InvalidValue("trigger", "a period of 1s to 366d", span_text(self.period_ns))
        if not 0 <= self.offset_ns < self.period_ns:
            raise InvalidValue("trigger", f"an offset below {span_text(self.period_ns)}", span_text(self.offset_ns))

    def __str__(self) -> str:
        return f"every {span_text(self.period_ns)}{_offset_text(self.offset_ns)}"


@dataclass(frozen=True, slots=True)
class SessionTrigger:
    """An anchor of each trading day of a product; `offset_ns` is negative before it.

    Raises:
        InvalidValue: a venue or product that is none, an offset of more than a week.
    """

    venue: str
    product: str
    anchor: SessionAnchor
    offset_ns: int = 0

    def __post_init__(self) -> None:
        Venue(self.venue)
        Symbol(self.product)
        _check_offset(self.offset_ns)

    def __str__(self) -> str:
        return f"session {self.venue}.{self.product} {self.anchor.value}{_offset_text(self.offset_ns)}"


@dataclass(frozen=True, slots=True)
class FundingTrigger:
    """The instants at which a venue settles funding, `offset_ns` after each. Which those are is the venue's matter.

    Raises:
        InvalidValue: a venue that is none, an offset that is negative.
    """

    venue: str
    offset_ns: int = 0

    def __post_init__(self) -> None:
        Venue(self.venue)
        if self.offset_ns < 0:
            raise InvalidValue("trigger", "an offset of 0s or more", span_text(self.offset_ns))

    def __str__(self) -> str:
        return f"funding {self.venue}{_offset_text(self.offset_ns)}"


@dataclass(frozen=True, slots=True)
class AfterTrigger:
    """When the jobs that it depends on have run."""

    def __str__(self) -> str:
        return "after"


@dataclass(frozen=True, slots=True)
class ManualTrigger:
    """When somebody asks for it."""

    def __str__(self) -> str:
        return "manual"


Trigger = CronTrigger | EveryTrigger | SessionTrigger | FundingTrigger | AfterTrigger | ManualTrigger


def parse_trigger(text: str) -> Trigger:
    """A trigger as people write it.

    Raises:
        InvalidValue: no such form, or a part of it that cannot be.
    """
    words = text.split()
    match words:
        case ["cron", *fields] if len(fields) in (_CRON_FIELDS, _CRON_FIELDS + 1):
            return CronTrigger(" ".join(fields[:_CRON_FIELDS]), *fields[_CRON_FIELDS:])
        case ["cron", *_]:
            raise InvalidValue("trigger", "cron, five fields and perhaps a time zone", text)
        case ["every", period, *offset] if len(offset) <= 1:
            return EveryTrigger(parse_span(period), parse_span(*offset) if offset else 0)
        case ["session", market, anchor, *offset] if len(offset) <= 1:
            venue, dot, product = market.partition(".")
            if not dot:
                raise InvalidValue("trigger", "a product as exchange.product", market)
            return SessionTrigger(venue, product, _anchor(anchor), parse_span(*offset) if offset else 0)
        case ["funding", venue, *offset] if len(offset) <= 1:
            return FundingTrigger(venue, parse_span(*offset) if offset else 0)
        case ["after"]:
            return AfterTrigger()
        case ["manual"]:
            return ManualTrigger()
    raise InvalidValue("trigger", FORMS, text)


def _anchor(text: str) -> SessionAnchor:
    try:
        return SessionAnchor(text)
    except ValueError:
        raise InvalidValue("trigger", f"an anchor: one of {', '.join(SessionAnchor)}", text) from None


def parse_span(text: str) -> int:
    """`15m`, `+30s`, `-2h` as nanoseconds. Raises InvalidValue."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InvalidValue("time", "a number and one of ms s m h d, like 30s or -15m", text)
    length = int(match[2]) * _UNITS_NS[match[3]]
    return -length if match[1] == "-" else length


def span_text(ns: int) -> str:
    """Nanoseconds as `parse_span` reads them, in the largest unit that is exact, without parts of a millisecond."""
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    for unit in ("d", "h", "m", "s"):
        if ns and ns % _UNITS_NS[unit] == 0:
            return f"{sign}{ns // _UNITS_NS[unit]}{unit}"
    return f"{sign}{ns // _UNITS_NS['ms']}ms" if ns else "0s"


def _offset_text(ns: int) -> str:
    return "" if not ns else f" {span_text(ns)}" if ns < 0 else f" +{span_text(ns)}"


def _check_offset(ns: int) -> None:
    if abs(ns) > LONGEST_OFFSET_S * NANOS_PER_SECOND:
        raise InvalidValue("trigger", "an offset of at most 7d", span_text(ns))
