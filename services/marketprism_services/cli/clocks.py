"""The zone of a command's times: those it shows, and those it is given without an offset.

`--tz` names it. Without, it is China time for instruments of Chinese exchanges and UTC for all others; where both stand
in one table, UTC.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, NamedTuple

import typer

from marketprism_application.contracts.times import parse_time, zone_name, zone_of
from marketprism_domain.instruments.names import is_future, is_option
from marketprism_domain.instruments.written_names import at_chinese_exchange
from marketprism_domain.sessions.exchange_hours import EXCHANGES, venue_of
from marketprism_services.platform.exits import Exit, Stop

Tz = Annotated[
    str | None,
    typer.Option(
        "--tz",
        help="Zone of times, shown and given: UTC, local, a name like Asia/Shanghai or an offset like +08:00. Without: "
        "China time for instruments of Chinese exchanges, UTC for all others.",
    ),
]
_SECOND = 1_000_000_000


class Zone(NamedTuple):
    """A zone, and what it is called beside times that are shown in it; without `info` it is this machine's."""

    info: tzinfo | None
    name: str

    def moment(self, ts: int) -> datetime:
        """An instant in nanoseconds UTC, to the second, on the clocks of this zone."""
        return datetime.fromtimestamp(ts // _SECOND, self.info)

    def text(self, ts: int, *, with_ms: bool = False) -> str:
        """`2018-10-09 21:00:00` of an instant in nanoseconds UTC."""
        text = self.moment(ts).strftime("%Y-%m-%d %H:%M:%S")
        return f"{text}.{ts % _SECOND // 1_000_000:03d}" if with_ms else text

    def instant(self, text: str | None, name: str) -> int | None:
        """Nanoseconds UTC of a time as a person writes it, in this zone where it has no offset.

        Raises:
            Stop: exit code 2, `name` is not a time.
        """
        try:
            return parse_time(text, name, self.info or _LocalTime())
        except (ValueError, OverflowError) as error:
            raise Stop(Exit.USAGE, str(error)) from error

    def range(self, start: str | None, end: str | None) -> tuple[int | None, int | None]:
        """The instants of `--from` and `--to`.

        Raises:
            Stop: exit code 2, one is not a time, or the end lies before the begin.
        """
        ts_from, ts_to = self.instant(start, "--from"), self.instant(end, "--to")
        if ts_from is not None and ts_to is not None and ts_to < ts_from:
            raise Stop(Exit.USAGE, f"--to: expected at or after --from {start}, was {end}")
        return ts_from, ts_to


CHINA_TIME = Zone(timezone(timedelta(hours=8), "CST"), "China time")
UTC_TIME = Zone(UTC, "UTC")


class _LocalTime(tzinfo):
    """The clocks of this machine, with their summer time: only for times that are given."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, _moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _moment: datetime | None) -> str:
        return "local time"


def zone_named(text: str) -> Zone:
    """The zone that `--tz` means: `local`, `china`, or what times are written in elsewhere, UTC, a name or an offset.

    Raises:
        Stop: exit code 2, there is none of that name.
    """
    word = text.strip().lower()
    if word == "local":
        return Zone(None, f"local time, {time.tzname[0]}")
    if word == "china":
        return CHINA_TIME
    try:
        zone = zone_of(text, "--tz")
    except ValueError:
        raise Stop(
            Exit.USAGE, f"--tz: expected UTC, local, a name like Asia/Shanghai or an offset like +08:00, was {text!r}"
        ) from None
    return Zone(zone, zone_name(zone))


def zone_of_venues(venues: Iterable[str], tz: str | None = None) -> Zone:
    """The zone of a table whose rows are of these venues. Raises Stop, as `zone_named`."""
    if tz is not None:
        return zone_named(tz)
    there = {venue for venue in venues if venue}
    return CHINA_TIME if there <= EXCHANGES.keys() else UTC_TIME


def zone_of_symbol(symbol: str, tz: str | None = None) -> Zone:
    """The zone of instruments that are known by their name alone, one or several with commas between. Raises Stop, as
    `zone_named`."""
    if tz is not None:
        return zone_named(tz)
    names = [name for name in symbol.split(",") if name.strip()] or [symbol]
    return CHINA_TIME if all(instrument_meant(name).venue for name in names) else UTC_TIME


class InstrumentMeant(NamedTuple):
    """What the name of an instrument says by itself; `venue` None: it is of no Chinese exchange."""

    venue: str | None
    symbol: str


def instrument_meant(text: str) -> InstrumentMeant:
    """The Chinese exchange and the symbol of a name as people write it: `rb2505`, `SHFE.rb2505`, `rb2505.SHF`."""
    text = text.strip()
    named = at_chinese_exchange(text)
    if named is not None:
        return InstrumentMeant(named.venue, named.symbol)
    if text.isdecimal():  # contracts of stock options are numbers; both exchanges have the same hours
        return InstrumentMeant(next(name for name, exchange in EXCHANGES.items() if not exchange.products), text)
    return InstrumentMeant(chinese_venue(text), text)


def chinese_venue(symbol: str) -> str | None:
    """The Chinese exchange that lists an instrument, None for names of other venues, which have a dash (`BTC-USDT`)
    where those of options (`m2505-C-3000`) have none."""
    if "-" not in symbol:
        return venue_of(symbol)
    bare = symbol.replace("-", "")
    return venue_of(bare) if is_option(bare) or is_future(bare) else None


def day_of_text(text: str, name: str) -> date:
    """A day as a person writes it, `2018-10-09` or `20181009`.

    Raises:
        Stop: exit code 2, `name` is not a day.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Stop(Exit.USAGE, f"{name}: expected a day like 2018-10-09, was {text!r}") from None
