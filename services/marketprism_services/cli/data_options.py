"""Options of `marketprism data`: what they mean, and which of them cannot be."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.kinds import BAR, KLINE, TRADE
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.inputs import TermPeriod
from marketprism_application.queries.checks import check_interval
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.integrity.expectation import Alignment, Halt, Listing
from marketprism_domain.sessions.exchange_hours import EXCHANGES
from marketprism_domain.sessions.trading_days import day_text
from marketprism_services.cli.clocks import Zone, day_of_text
from marketprism_services.platform.exits import Exit, Stop

_ALIGNMENTS: tuple[Alignment, ...] = ("session", "clock", "wall")
_KINDS = (BAR.name, KLINE.name, TRADE.name)


@dataclass(frozen=True)
class CheckOptions:
    """Options as they were given."""

    interval: str = ""
    start: str | None = None
    end: str | None = None
    dense: bool | None = None
    alignment: str = ""
    terms: tuple[str, str] = ("", "")
    days: tuple[str, str] = ("", "")
    halts: tuple[str, ...] = ()
    confirmed: bool = False
    tz: str | None = None

    def of(self, zone: Zone) -> CheckAsked:
        """What they ask for, times in a zone."""
        ts_from, ts_to = zone.range(self.start, self.end)
        if ts_from is not None and ts_from == ts_to:
            raise Stop(Exit.USAGE, f"--to: expected after --from {self.start}, was {self.end}")
        days = [
            day_text(day_of_text(text, name)) if text else ""
            for name, text in zip(("--listed", "--expires"), self.days, strict=True)
        ]
        steps = [_step(text, name) for name, text in zip(("--price-tick", "--quantity-step"), self.terms, strict=True)]
        terms = (TermPeriod(0, steps[0], steps[1]),) if any(steps) else ()
        return CheckAsked(
            time.time_ns(),
            ts_from,
            ts_to,
            self.dense,
            next((each for each in _ALIGNMENTS if each == self.alignment), None),
            Listing(days[0], days[1]),
            tuple(_halt(text, zone) for text in self.halts),
            terms,
            self.confirmed,
        )


def _step(text: str, name: str) -> Decimal | None:
    try:
        step = Decimal(text) if text else None
    except InvalidOperation:
        step = Decimal(0)
    if step is not None and (not step.is_finite() or step <= 0):
        raise Stop(Exit.USAGE, f"{name}: expected a number above zero, was {text!r}")
    return step


def _halt(text: str, zone: Zone) -> Halt:
    begin, slash, end = text.partition("/")
    if not slash:
        raise Stop(Exit.USAGE, f"--halt: expected begin/end, was {text!r}")
    ts_from, ts_to = zone.instant(begin, "--halt"), zone.instant(end, "--halt")
    if ts_from is None or ts_to is None or ts_to <= ts_from:
        raise Stop(Exit.USAGE, f"--halt: expected an end after its begin, was {text!r}")
    return Halt(ts_from, ts_to)


def columns_of(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        field, sign, column = text.partition("=")
        if not sign or not field or not column:
            raise Stop(Exit.USAGE, f"--map: expected field=column, was {text!r}")
        found[field.strip()] = column.strip()
    return found


def check_options(interval: str, kind: str, alignment: str, venue: str) -> None:
    try:
        if interval:
            check_interval(interval)
    except InvalidValue as error:
        raise Stop(Exit.USAGE, str(error)) from error
    if kind not in _KINDS:
        raise Stop(Exit.USAGE, one_of("--kind", kind, _KINDS))
    if alignment and alignment not in _ALIGNMENTS:
        raise Stop(Exit.USAGE, one_of("--alignment", alignment, _ALIGNMENTS))
    known = (*EXCHANGES, *MARKETS)
    named = venue_named(venue) if venue else ""
    if named and named not in known and named not in {market.partition("-")[0] for market in MARKETS}:
        raise Stop(Exit.USAGE, one_of("--venue", venue, known))


def check_job_options(file: Path | None, given: Collection[str]) -> None:
    """Raises Stop: an option that is for files, or for a check here, was given for a check of the data service."""
    if file is not None:
        raise Stop(Exit.USAGE, f"--job: expected a stored instrument, was the file {file}")
    if given:
        raise Stop(Exit.USAGE, f"{min(given)}: expected none with --job, the data service has its own")


def download_options(given: Collection[str]) -> None:
    """Raises Stop: an option that is for a folder was given for a download into the store."""
    if given:
        raise Stop(Exit.USAGE, f"{min(given)}: expected none with --store, which the data service downloads")


def one_of(name: str, was: str, known: tuple[str, ...]) -> str:
    return f"{name}: expected one of {', '.join(known)}, was {was!r}{did_you_mean(was, known)}"
