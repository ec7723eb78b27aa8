"""Ticks of a database of VeighNa as recordings for a replay: a file an instrument, in the columns of the counters.

VeighNa keeps no trading day and no day of an exchange: a row is written with the day of China on which it came, and
whoever replays it gives it the trading day of the calendar.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import NamedTuple, TextIO
from zoneinfo import ZoneInfo

from marketprism_adapters.counters.depth.messages import CTP_COLUMNS
from marketprism_adapters.imports.veighna.databases import Row, Select, opened
from marketprism_adapters.imports.veighna.settings import DatabasePlace
from marketprism_adapters.imports.veighna.table import NONE_FROM, TICKS, table_in
from marketprism_application.errors import SourceError
from marketprism_domain.instruments.exchange_codes import is_chinese, venue_of_code

CHINA = ZoneInfo("Asia/Shanghai")
_NEEDED = ("symbol", "exchange", "datetime", "volume", "last_price")
_PRICES = {
    "LastPrice": "last_price",
    "PreClosePrice": "pre_close",
    "OpenPrice": "open_price",
    "HighestPrice": "high_price",
    "LowestPrice": "low_price",
    "UpperLimitPrice": "limit_up",
    "LowerLimitPrice": "limit_down",
    **{f"{s}Price{n}": f"{s.lower()}_price_{n}" for n in range(1, 6) for s in ("Bid", "Ask")},
}
_AMOUNTS = {
    "Volume": "volume",
    "Turnover": "turnover",
    "OpenInterest": "open_interest",
    **{f"{s}Volume{n}": f"{s.lower()}_volume_{n}" for n in range(1, 6) for s in ("Bid", "Ask")},
}
_COLUMN = _PRICES | _AMOUNTS
# The five levels of a tick: beyond an empty price there is no amount.
_LEVEL = re.compile(r"(Bid|Ask)Volume(\d)")
_SAFE = re.compile(r"[^A-Za-z0-9_-]")


class Recorded(NamedTuple):
    """An instrument's ticks as a file; `path` is None where they are no recording, and `text` says why."""

    symbol: str
    exchange: str
    rows: int
    path: Path | None
    text: str = ""


def recordings_of(place: DatabasePlace, zone: str, symbols: Sequence[str], out: Path) -> Iterator[Recorded]:
    """Write each instrument's ticks below a folder, in the order of their times. Without symbols, those of all.

    Raises:
        SourceError: the database cannot be read, has no ticks, or a row is none; names table, row and field.
    """
    ticks = _Ticks(place, zone)
    wanted = {symbol.partition(".")[0] for symbol in symbols}
    found = [pair for pair in ticks.instruments() if not wanted or pair[0] in wanted]
    if missing := sorted(wanted - {symbol for symbol, _ in found}):
        raise SourceError(f"{place}, table {ticks.table}: expected ticks of {', '.join(missing)}, was none")
    out.mkdir(parents=True, exist_ok=True)
    for symbol, exchange in found:
        venue = venue_of_code(exchange)
        if venue is None or not is_chinese(venue):
            yield Recorded(symbol, exchange, 0, None, "no recording: only ticks of Chinese exchanges are one")
            continue
        path = out / f"{_SAFE.sub('_', symbol)}.{venue}.csv.gz"
        part = path.with_name(path.name + ".part")
        try:
            with gzip.open(part, "wt", newline="", encoding="utf-8", compresslevel=3) as file:
                rows = _write(file, ticks.rows(symbol, exchange, venue.upper()))
            part.replace(path)
        except OSError as error:
            raise SourceError(f"file {part}: expected to be written: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)
        yield Recorded(symbol, exchange, rows, path)


def _write(file: TextIO, rows: Iterator[list[str]]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CTP_COLUMNS)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 (it is what comes back)
        writer.writerow(row)
    return count


class _Ticks:
    """The table of ticks of a database."""

    def __init__(self, place: DatabasePlace, zone: str) -> None:
        self._place = place
        self._zone: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone or "Asia/Shanghai")
        self._database = opened(place)
        tables = self._database.tables()
        table = table_in(tables, (TICKS,))
        if table is None:
            raise SourceError(f"{place}: expected a table of ticks ({TICKS}), was {', '.join(tables) or 'none'}")
        self.table, self._columns = table, tables[table]
        if lacking := [name for name in _NEEDED if name not in self._columns]:
            raise SourceError(f"{place}, table {table}: expected a column {lacking[0]}, was {', '.join(self._columns)}")

    def instruments(self) -> list[tuple[str, str]]:
        """Symbols and exchanges of which there are ticks."""
        query = Select(self.table, ("symbol", "exchange"), {}, distinct=True)
        return sorted((str(row[0]), str(row[1])) for rows in self._database.blocks(query) for row in rows)

    def rows(self, symbol: str, exchange: str, code: str) -> Iterator[list[str]]:
        """Rows of a recording."""
        query = Select(self.table, self._columns, {"symbol": symbol, "exchange": exchange}, "datetime")
        at = {name: place for place, name in enumerate(self._columns)}
        fixed = {"InstrumentID": symbol, "ExchangeID": code}
        for block in self._database.blocks(query):
            for row in block:
                if row[at["symbol"]] != symbol:  # a server that compares without case
                    continue
                cells = dict(fixed)
                cells |= self._when(row, at)
                for column, name in _COLUMN.items():
                    cells[column] = self._number(row, at, name, is_price=column in _PRICES)
                for column in cells:
                    level = _LEVEL.fullmatch(column)
                    if level is not None and not cells[f"{level[1]}Price{level[2]}"]:
                        cells[column] = ""
                yield [cells.get(column, "") for column in CTP_COLUMNS]

    def _when(self, row: Row, at: dict[str, int]) -> dict[str, str]:
        text = str(row[at["datetime"]] or "")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._wrong(row, at, "datetime", "a time", text) from error
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        moment = moment.astimezone(CHINA)
        return {
            "ActionDay": f"{moment:%Y%m%d}",
            "UpdateTime": f"{moment:%H:%M:%S}",
            "UpdateMillisec": str(moment.microsecond // 1000),
        }

    def _number(self, row: Row, at: dict[str, int], name: str, *, is_price: bool) -> str:
        """A number as the database has it; empty for none: of a price 0, and what counters send for none."""
        cell = row[at[name]] if name in at else None
        if cell is None or cell == "":
            return ""
        try:
            value = float(str(cell))
        except ValueError as error:
            raise self._wrong(row, at, name, "a number", cell) from error
        if not abs(value) < NONE_FROM or (is_price and value == 0):
            return ""
        return str(cell)

    def _wrong(self, row: Row, at: dict[str, int], name: str, expected: str, was: object) -> SourceError:
        named = f"id {row[at['id']]}" if "id" in at else f"{row[at['symbol']]} {row[at['datetime']]}"
        return SourceError(f"{self._place}, table {self.table}, {named}: {name}: expected {expected}, was {was!r}")


__all__ = ["Recorded", "recordings_of"]
