"""What a shared front plays: recordings, or a crowd of made-up instruments to see what a gateway bears."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from marketprism_adapters.counters.depth.messages import CTP_COLUMNS
from marketprism_adapters.counters.simulated_front.script import DBL_MAX, Script
from marketprism_application.errors import SourceError
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import china_date, day_text, midnight
from marketprism_domain.values import NANOS_PER_SECOND
from marketprism_sdk.errors import reason_of

Row = tuple[int, dict[str, Any]]  # receive time by the market's clock, fields as the API gives them
_NUMBERS = ("VolumeMultiple", "PriceTick", "StrikePrice")


class Market(Protocol):
    """Instruments, and rows in the order of their time."""

    @property
    def instruments(self) -> Sequence[dict[str, Any]]: ...

    def rows(self) -> Iterator[Row]: ...


class Recorded:
    """Recordings, one after another or side by side, by their own clock."""

    def __init__(self, spec: str, calendar: MarketCalendar) -> None:
        self._script = Script(spec, calendar)
        self.instruments = self._script.instruments

    def rows(self) -> Iterator[Row]:
        """Every row of the market, in the order of its time."""
        yield from self._script.rows


class Crowd:
    """Instruments of a front's list, each with so many snapshots a second, from `ts_start` on.

    Raises:
        SourceError: the list cannot be read, or has fewer instruments than asked for.
    """

    def __init__(self, listed: Path, count: int, per_second: float, seconds: float, ts_start: int) -> None:
        self.instruments = instruments_of(listed)
        if len(self.instruments) < count:
            raise SourceError(f"{listed}: expected at least {count} instruments, has {len(self.instruments)}")
        self._symbols = [str(item["InstrumentID"]) for item in self.instruments[:count]]
        self._per_second = per_second
        self._seconds = seconds
        self._start = ts_start

    def rows(self) -> Iterator[Row]:
        """Round after round over all instruments, evenly in time; every snapshot is a trade of one lot."""
        count = len(self._symbols)
        step = round(NANOS_PER_SECOND / (self._per_second * count))
        blank: dict[str, Any] = dict.fromkeys(CTP_COLUMNS, DBL_MAX)
        blank.update({name: 0 for name in CTP_COLUMNS if name.startswith(("BidVolume", "AskVolume"))})
        for number in range(round(self._seconds * self._per_second * count)):
            ts = self._start + number * step
            date, lap = china_date(ts), number // count
            of_day = (ts - midnight(date)) // 1_000_000
            seconds = of_day // 1000
            price = 4_000.0 + (number * 7 + lap) % 50
            yield (
                ts,
                {
                    **blank,
                    "InstrumentID": self._symbols[number % count],
                    "ExchangeID": "",
                    "TradingDay": day_text(date),
                    "ActionDay": day_text(date),
                    "UpdateMillisec": of_day % 1000,
                    "UpdateTime": f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}",
                    "LastPrice": price,
                    "Volume": lap + 1,
                    "Turnover": price * (lap + 1) * 10,
                    "OpenInterest": 1000.0,
                    "OpenPrice": 4_000.0,
                    "HighestPrice": 4_050.0,
                    "LowestPrice": 4_000.0,
                    "PreSettlementPrice": 4_010.0,
                    "PreClosePrice": 4_010.0,
                    "UpperLimitPrice": 4_400.0,
                    "LowerLimitPrice": 3_600.0,
                    "BidPrice1": price - 1,
                    "BidVolume1": 5,
                    "AskPrice1": price + 1,
                    "AskVolume1": 7,
                },
            )


def instruments_of(path: Path) -> list[dict[str, Any]]:
    """The answer to an instrument query that was saved as CSV (`.gz` or not), as the API gives it.

    Raises:
        SourceError: it cannot be read.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as text:
            rows = list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: expected a list of instruments as CSV: {reason_of(error)}") from error
    for row in rows:
        for name in _NUMBERS:
            if row.get(name):
                row[name] = float(row[name])
    return rows
