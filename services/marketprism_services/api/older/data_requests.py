"""Requests of an older project's data manager, in its words, as those of the data service.

It knew one market of perpetuals only, by the venue's names: `BTCUSDT` is BTC-USDT-PERP there, and times
without an offset are UTC. A name with a dash, and a `venue` that is given, are ours.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import NamedTuple, TypeVar

import msgspec

from marketprism_adapters.imports.market_names import ARCHIVE_PERPETUAL, instrument_of
from marketprism_application.contracts.failures import wrong_field
from marketprism_application.contracts.kinds import KLINE
from marketprism_application.contracts.times import parse_time
from marketprism_application.errors import QueryError
from marketprism_domain.instruments.written_names import is_pattern, venue_named
from marketprism_domain.values import NANOS_PER_SECOND

MARKET = ARCHIVE_PERPETUAL
_EVERY = "*-USDT-PERP"
_DAY = 86_400 * NANOS_PER_SECOND
_MOST_DAYS = 3_653
_MODES = {"single": "missing", "missing": "missing", "missing_only": "missing", "all": "missing", "full": "all"}
T = TypeVar("T")


class OlderSeries(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which series: `symbol` or `symbols` (a list, or names with commas), every USDT perpetual without one; from
    `start` to `end`, or the last `days_back` days."""

    symbol: str = ""
    symbols: Sequence[str] | str = ()
    interval: str = "1h"
    start: str | int | None = None
    end: str | int | None = None
    start_date: str | int | None = None
    end_date: str | int | None = None
    start_time: str | int | None = None
    end_time: str | int | None = None
    days_back: int | None = None
    venue: str = MARKET


class OlderDownload(OlderSeries, kw_only=True):
    """Klines to be fetched. `mode` single or missing (what is not stored), full (everything once more)."""

    mode: str = "missing"


class OlderReport(OlderSeries, kw_only=True):
    """A report of a check that was done (`check`, its job), or a check to be done."""

    check: str = ""
    number: int = 0
    format: str = "json"


class OlderRecheck(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Defects of a check, to be asked about."""

    check: str
    witnesses: Sequence[str] = ()


class OlderRepair(OlderSeries, kw_only=True):
    """What a check found missing, to be repaired; without a `check` what is missing of a range, to be fetched."""

    check: str = ""
    dry_run: bool = False


class Successor(NamedTuple):
    """The request that stands in the place of an older one: its method, its path behind `/api/v1/data`, its values."""

    method: str
    parts: tuple[str, ...]
    values: dict[str, object]


def download(given: Mapping[str, object]) -> Successor:
    """`POST downloads`. Raises QueryError: a field is wrong (so do the others)."""
    asked = _of(given, OlderDownload)
    if asked.mode not in _MODES:
        raise QueryError(f"mode: expected one of {', '.join(_MODES)}, was {asked.mode[:80]!r}")
    return Successor("POST", ("downloads",), {**_series(asked), "mode": _MODES[asked.mode]})


def check(given: Mapping[str, object]) -> Successor:
    """`POST checks` of stored klines."""
    return Successor("POST", ("checks",), _series(_of(given, OlderSeries)))


def report(given: Mapping[str, object]) -> Successor:
    """`GET checks/{id}/reports/{number}` of a check that was done, else `POST checks`."""
    asked = _of(given, OlderReport)
    if not asked.check:
        return Successor("POST", ("checks",), _series(asked))
    form = {"markdown": "md"}.get(asked.format, asked.format)
    return Successor("GET", ("checks", asked.check, "reports", str(asked.number)), {"format": form})


def recheck(given: Mapping[str, object]) -> Successor:
    """`POST checks/{id}/recheck` of a check that was done."""
    asked = _of(given, OlderRecheck)
    return Successor("POST", ("checks", asked.check, "recheck"), {"witnesses": list(asked.witnesses)})


def repair(given: Mapping[str, object]) -> Successor:
    """`POST checks/{id}/repairs` of a check, else `POST downloads` of what is missing."""
    asked = _of(given, OlderRepair)
    if asked.check:
        return Successor("POST", ("checks", asked.check, "repairs"), {"dry_run": asked.dry_run})
    if asked.dry_run:
        raise QueryError("dry_run: expected with the check that is to be repaired, there was none")
    return Successor("POST", ("downloads",), {**_series(asked), "mode": "missing"})


class _Ranked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    day: str = ""
    date: str = ""
    limit: int = 10
    venue: str = MARKET


def top_gainers(given: Mapping[str, object]) -> Successor:
    """`GET universe` of a day: the instruments whose price rose most."""
    asked = _of(given, _Ranked)
    day = (asked.day or asked.date).replace("-", "")
    if day and not (len(day) == 8 and day.isdecimal()):
        raise QueryError(f"day: expected a day like 2024-05-06, was {(asked.day or asked.date)[:80]!r}")
    values: dict[str, object] = {"rank": "change", "top": asked.limit, "venue": asked.venue}
    return Successor("GET", ("universe",), {**values, "day": day} if day else values)


class _Dated(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    interval: str
    symbol: str
    start: str | None = None
    end: str | None = None
    venue: str = MARKET


def dates(given: Mapping[str, object]) -> Successor:
    """`GET coverage/{symbol}`: the days of a series that are stored."""
    asked = _of(given, _Dated)
    values: dict[str, object] = {"venue": asked.venue, "kind": KLINE.name, "interval": asked.interval}
    for name, text in (("from", asked.start), ("to", asked.end)):
        if text is not None:
            values[name] = _time(text, name)
    return Successor("GET", ("coverage", symbol_of(asked.symbol, asked.venue)), values)


def symbol_of(name: str, venue: str = MARKET) -> str:
    """Our name of an instrument by the venue's own; one with a dash is ours already."""
    name = name.strip()
    if not name:
        raise QueryError("symbol: expected a name like BTCUSDT, was none")
    if "-" in name or is_pattern(name):
        return name
    return instrument_of(venue_named(venue), name.upper()).symbol or name


def _of(given: Mapping[str, object], kind: type[T]) -> T:
    try:
        # What comes from an address is text, and a whole body may be what HTML forms send.
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise QueryError(wrong_field(error, "body")) from error


def _series(asked: OlderSeries) -> dict[str, object]:
    several = asked.symbols.split(",") if isinstance(asked.symbols, str) else asked.symbols
    names = [symbol_of(each, asked.venue) for each in (asked.symbol, *several) if each.strip()]
    ts_from, ts_to = _range(asked)
    series: dict[str, object] = {"venue": asked.venue, "kind": KLINE.name, "interval": asked.interval}
    series |= {"symbols": list(dict.fromkeys(names))} if names else {"pattern": _EVERY}
    return series | {name: ts for name, ts in (("ts_from", ts_from), ("ts_to", ts_to)) if ts is not None}


def _range(asked: OlderSeries) -> tuple[int | None, int | None]:
    ends = []
    for name in ("start", "end"):
        written = [each for each in (name, f"{name}_date", f"{name}_time") if getattr(asked, each) is not None]
        if len(written) > 1:
            raise QueryError(f"{written[1]}: expected without {written[0]}")
        ends.append(_time(getattr(asked, written[0]), written[0]) if written else None)
    ts_from, ts_to = ends
    if asked.days_back is not None:
        if ts_from is not None:
            raise QueryError("days_back: expected without a start")
        if not 1 <= asked.days_back <= _MOST_DAYS:
            raise QueryError(f"days_back: expected 1 to {_MOST_DAYS}, was {asked.days_back}")
        end = time.time_ns() if ts_to is None else ts_to
        ts_from = end - asked.days_back * _DAY
    if ts_from is not None and ts_to is not None and ts_to <= ts_from:
        raise QueryError("end: expected after the start")
    return ts_from, ts_to


def _time(value: str | int, name: str) -> int | None:
    try:
        return parse_time(str(value), name, UTC)  # numbers as their digits tell: seconds, milliseconds …
    except (ValueError, OverflowError) as error:
        raise QueryError(str(error)) from error


__all__ = [
    "MARKET",
    "OlderDownload",
    "OlderRecheck",
    "OlderRepair",
    "OlderReport",
    "OlderSeries",
    "Successor",
    "check",
    "dates",
    "download",
    "recheck",
    "repair",
    "report",
    "symbol_of",
    "top_gainers",
]
