"""Reading one recording: its rows as ticks, and what is wrong with the others by row, column and value."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import structlog

from marketprism_adapters.counters.depth.contracts import contract_of
from marketprism_adapters.counters.depth.event_times import NightStamp, Times, part_of
from marketprism_adapters.counters.depth.fields import BadField, Clocks
from marketprism_adapters.counters.recordings.formats import RowReader, Skipped
from marketprism_adapters.counters.recordings.header import Header, NoHeader, cells_of, header_of, is_before_header
from marketprism_adapters.counters.recordings.night_stamps import StampedRow, night_stamp_of
from marketprism_adapters.counters.recordings.text_files import ENDINGS, TextFile
from marketprism_adapters.counters.recordings.time_order import InOrder, OutOfOrder
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel, FrameTap
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar

log = structlog.get_logger()

DECODER = "recording.csv"  # of captured lines
_LOOKED_AT = 3  # rows below the header that show whether each ends with a separator
_NAMED = 20  # refused rows of one reading that are named; all are counted

REFUSED = "refused_row"
REPEATED_HEADER = "repeated_header"
BROKEN = "rest_unreadable"


class Recording:
    """One file of one or more instruments, in arrival order.

    A row that is no tick is refused by itself: it is counted in `skipped` by reason, and the first ones are named in
    `refused` and in the log. A header again, as where files were put together, names the columns from there on. A byte
    that is no text spoils no more than its cell, and no cell but those that are read. `whole_part`: of a file that
    breaks off, what comes before is read; without it such a file is refused.

    Raises (everywhere):
        SourceError: missing, unreadable, truncated, or of unknown columns.
    """

    skipped: dict[str, int]
    refused: list[str]
    path: Path
    source: str
    _file: TextFile | None = None

    def __init__(self, path: Path, calendar: MarketCalendar, *, whole_part: bool = False) -> None:
        self._file = TextFile(path, whole_part=whole_part)
        self.path = path
        self.source = f"replay:{ENDINGS.sub('', path.name)}"
        self._begin(calendar)

    def _begin(self, calendar: MarketCalendar) -> None:
        """Read the header; `path`, `source` and what `_text` reads are there."""
        self.skipped = {}
        self.refused = []
        self._stamps: dict[str, NightStamp | None] = {}
        self._times = Times(calendar, self._stamp_of)
        self._calendar = calendar
        self._header = self._detect()

    def _detect(self) -> Header:
        lines = (line for line in self._text() if not is_before_header(line))
        first, *rows = [*islice(lines, 1 + _LOOKED_AT)] or [""]
        lines.close()
        if not first:
            raise SourceError(f"recording {self.path}: expected a header row, the file is empty")
        try:
            return header_of(first).of_rows(rows)
        except NoHeader as error:
            raise SourceError(f"recording {self.path}: {error}") from error

    @property
    def form(self) -> str:
        """The name of its form."""
        return self._header.form.name

    def rows(self, tap: FrameTap | None = None) -> Iterator[Tick]:
        """Every tick, streaming; `source_seq` is the row number, the first row below the header being 1.

        `tap` gets each line before it is read.
        """
        self.skipped = {}
        self.refused = []
        order = InOrder(self._in_session)
        for number, cells in self._rows(tap):
            tick = self._tick(cells, number)
            for ready in order.take(tick) if tick is not None else ():
                yield from self._ordered(ready)
        for ready in order.rest():
            yield from self._ordered(ready)

    def _ordered(self, ready: Tick | OutOfOrder) -> Iterator[Tick]:
        if isinstance(ready, OutOfOrder):
            self._refuse(ready.number, "row_out_of_order", ready.text)
        else:
            yield ready

    def raw_rows(self) -> Iterator[tuple[dict[str, str], Tick]]:
        """Every row that is a tick, as its cells by column and as the tick.

        Raises:
            SourceError: a row with a cell that is no value of its column, besides the reasons of all.
        """
        for number, cells in self._rows(None):
            try:
                tick = self._read(cells, number)
            except (BadField, InvalidValue) as error:
                if self._is_header(cells, number, ""):
                    continue
                raise SourceError(f"recording {self.path}, row {number}: {error}") from error
            if not isinstance(tick, Skipped):
                yield dict(zip(self._columns, cells, strict=False)), tick

    def _rows(self, tap: FrameTap | None) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of each row that is not blank; an empty cell stands behind the last for what is missing."""
        self._use(self._header)
        lines = self._text(tap)
        next(line for line in lines if not is_before_header(line))
        for number, line in enumerate(lines, 1):
            try:
                cells = cells_of(line, self._separator)
            except csv.Error as error:
                self._refuse(number, REFUSED, f"expected CSV: {error}, was {line.strip()[:80]!r}")
                continue
            if len(cells) == self._width:
                cells.append("")
                yield number, cells
            elif line.strip() and not self._is_header(cells, number, line):
                self._refuse(number, REFUSED, f"expected {self._width} columns, was {len(cells)}")
        if self._file is not None and self._file.broken:
            self.skipped[BROKEN] = 1
            log.warning("recording.broken_off", recording=str(self.path), error=self._file.broken)

    def _use(self, header: Header) -> None:
        self._columns, self._width, self._separator = header.columns, header.width, header.separator
        self._read: RowReader = header.form.reader(header.at, self._times, self.source)

    def _is_header(self, cells: list[str], number: int, line: str) -> bool:
        """Whether a row is a header again, which names the columns of those behind it."""
        try:
            header = header_of(line or self._separator.join(cells))._replace(trailing=self._header.trailing)
        except NoHeader:
            return False
        self._use(header)
        self._refuse(number, REPEATED_HEADER, "a header again, the rows behind it are read by it")
        return True

    def _tick(self, cells: list[str], number: int) -> Tick | None:
        found = self._tried(cells, number)
        if not isinstance(found, Tick) and (plain := [cell.strip() for cell in cells]) != cells:
            found = self._tried(plain, number)  # blanks around a value are none of it
        if isinstance(found, Tick):
            return found
        if not self._is_header(cells, number, ""):
            self._refuse(number, found.reason, found.text)
        return None

    def _tried(self, cells: list[str], number: int) -> Tick | Skipped:
        try:
            return self._read(cells, number)
        except BadField as error:
            return Skipped(f"{REFUSED}_{error.column}", str(error))
        except InvalidValue as error:
            return Skipped(f"{REFUSED}_{error.field}", str(error))

    def _refuse(self, number: int, reason: str, text: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        if len(self.refused) < _NAMED:
            self.refused.append(f"row {number}: {text}")
            log.warning("row.refused", recording=str(self.path), row=number, error=text)

    def _in_session(self, tick: Tick) -> bool:
        return self._calendar.schedule(tick.venue, tick.symbol).place(tick.ts_event).session is not None

    def _stamp_of(self, venue: str) -> NightStamp | None:
        """What the day of the venue's evening rows is, by the rows of the whole file; asked only where one may be
        either."""
        if venue not in self._stamps:
            self._stamps[venue] = night_stamp_of(self._stamped(venue))
        return self._stamps[venue]

    def _stamped(self, venue: str) -> Iterator[StampedRow]:
        header, clocks = self._header, Clocks()
        exchange, code, clock, trading_day, action_day = (header.at[name] for name in header.form.stamp)
        of_venue: dict[tuple[str, str], bool] = {}
        width, lines = header.width, self._text()
        for line in lines:
            cells = [*line.rstrip("\r\n").split(header.separator), ""]
            if len(cells) <= width:
                continue
            key = cells[exchange], cells[code]
            if key not in of_venue:
                of_venue[key] = _is_of(venue, *key)
            of_day = clocks.nanos(cells[clock]) if of_venue[key] else None
            day = cells[action_day] or cells[trading_day]
            if of_day is not None and day:
                yield StampedRow(cells[code], part_of(of_day), day)

    def _text(self, tap: FrameTap | None = None) -> Iterator[str]:
        assert self._file is not None  # noqa: S101 (of captured lines there is none, and another `_text`)
        return self._file.lines() if tap is None else self._tapped(self._file.lines(), tap)

    def _tapped(self, text: Iterable[str], tap: FrameTap) -> Iterator[str]:
        channel = Channel(self.source.removeprefix("replay:"), DECODER)
        for line in text:
            tap.frame(channel, line.encode(errors="surrogateescape"))
            yield line


def _is_of(venue: str, exchange: str, code: str) -> bool:
    try:
        return contract_of(exchange, code).venue == venue
    except (BadField, InvalidValue):
        return False


class Checked:
    """What a full pass over a recording found."""

    def __init__(self, recording: Recording) -> None:
        self.source = recording.source
        self.rows = 0
        self.instruments: dict[tuple[str, str], None] = {}
        for tick in recording.rows():
            self.rows += 1
            self.instruments.setdefault((tick.venue, tick.symbol))
        self.skipped = dict(recording.skipped)
        if not self.rows:
            first = f", {recording.refused[0]}" if recording.refused else ""
            raise SourceError(f"recording {recording.path}: expected at least one tick, found none{first}")


__all__ = ["DECODER", "Checked", "Recording"]
