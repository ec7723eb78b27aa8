"""Reading one recording: its rows as ticks, and what is wrong with the others by row, column and value."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import structlog

from marketprism_adapters.counters.depth.fields import BadField
from marketprism_adapters.counters.recordings.broken_archive import WholePart
from marketprism_adapters.counters.recordings.formats import FORMATS, Format, RowReader, Skipped
from marketprism_adapters.counters.recordings.time_order import InOrder, OutOfOrder
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel, FrameTap
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import reason_of

log = structlog.get_logger()

DECODER = "recording.csv"  # of captured lines
_ENDINGS = (".csv", ".csv.gz")
_NAMED = 20  # refused rows of one reading that are named; all are counted
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = ",\t;"

REFUSED = "refused_row"
BROKEN = "rest_unreadable"


class Recording:
    """One file of one or more instruments, in arrival order.

    A row that is no tick is refused by itself: it is counted in `skipped` by reason, and the first ones are named in
    `refused` and in the log. Text is UTF-8, with or without a mark at its beginning, or UTF-16; a byte that is neither
    spoils no more than its cell, and no cell but those that are read. `whole_part`: of a file that breaks off, what
    comes before is read; without it such a file is refused.

    Raises (everywhere):
        SourceError: missing, unreadable, truncated, or of unknown columns.
    """

    skipped: dict[str, int]
    refused: list[str]
    whole_part = False
    _part: WholePart | None = None

    def __init__(self, path: Path, calendar: MarketCalendar, *, whole_part: bool = False) -> None:
        self.path = path
        self.source = f"replay:{path.name.removesuffix('.gz').removesuffix('.csv')}"
        self.skipped = {}
        self.refused = []
        self.whole_part = whole_part
        self._calendar = calendar
        if not path.name.endswith(_ENDINGS):
            raise SourceError(f"recording {path}: expected a file ending in .csv or .csv.gz")
        if not path.exists():
            raise SourceError(f"recording {path}: expected a file, there is none")
        self.format, self._columns = self._detect()

    def _detect(self) -> tuple[Format, list[str]]:
        line = next(self._lines(), None)
        header = [cell.strip() for cell in _cells(line, _separator(line))] if line else []
        if not any(header):
            raise SourceError(f"recording {self.path}: expected a header row, the file is empty")
        self._separator = _separator(line or "")
        missing = {form.name: _lacking(form, header) for form in FORMATS}
        for form in FORMATS:
            if not missing[form.name]:
                return form, header
        nearest = max(FORMATS, key=lambda form: len(set(form.columns) & set(header)))
        lacking = missing[nearest.name]
        raise SourceError(
            f"recording {self.path}: expected the columns of a {nearest.name} recording, missing {', '.join(lacking)}; "
            f"was {', '.join(header[:8])} …"
        )

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
                raise SourceError(f"recording {self.path}, row {number}: {error}") from error
            if not isinstance(tick, Skipped):
                yield dict(zip(self._columns, cells, strict=False)), tick

    def _rows(self, tap: FrameTap | None) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of each row that is not blank; an empty cell stands behind the last for what is missing."""
        width = len(self._columns)
        at = dict.fromkeys(self.format.columns, width)
        at.update({column: number for number, column in enumerate(self._columns)})
        self._read: RowReader = self.format.reader(at, self._calendar, self.source)
        lines = self._lines(tap)
        next(lines)
        for number, line in enumerate(lines, 1):
            try:
                cells = _cells(line, self._separator)
            except csv.Error as error:
                self._refuse(number, REFUSED, f"expected CSV: {error}, was {line.strip()[:80]!r}")
                continue
            if len(cells) == width:
                yield number, [*cells, ""]
            elif line.strip():
                self._refuse(number, REFUSED, f"expected {width} columns, was {len(cells)}")

    def _tick(self, cells: list[str], number: int) -> Tick | None:
        try:
            tick = self._read(cells, number)
        except BadField as error:
            self._refuse(number, f"{REFUSED}_{error.column}", str(error))
            return None
        except InvalidValue as error:
            self._refuse(number, f"{REFUSED}_{error.field}", str(error))
            return None
        if isinstance(tick, Skipped):
            self._refuse(number, tick.reason, tick.text)
            return None
        return tick

    def _refuse(self, number: int, reason: str, text: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        if len(self.refused) < _NAMED:
            self.refused.append(f"row {number}: {text}")
            log.warning("row.refused", recording=str(self.path), row=number, error=text)

    def _in_session(self, tick: Tick) -> bool:
        return self._calendar.schedule(tick.venue, tick.symbol).place(tick.ts_event).session is not None

    def _lines(self, tap: FrameTap | None = None) -> Iterator[str]:
        try:
            with self._open() as text:
                yield from text if tap is None else self._tapped(text, tap)
            if self._part is not None and self._part.broken:
                self.skipped[BROKEN] = 1
                log.warning("recording.broken_off", recording=str(self.path), error=self._part.broken)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            reason = f"{reason_of(error)}; with partial=yes what is whole of it is read"
            raise SourceError(f"recording {self.path}: expected a complete gzip file: {reason}") from error
        except UnicodeError as error:
            raise SourceError(f"recording {self.path}: expected UTF-8 or UTF-16 text: {reason_of(error)}") from error
        except OSError as error:
            raise SourceError(f"recording {self.path}: expected a readable file: {error.strerror or error}") from error

    def _tapped(self, text: Iterable[str], tap: FrameTap) -> Iterator[str]:
        channel = Channel(self.source.removeprefix("replay:"), DECODER)
        for line in text:
            tap.frame(channel, line.encode(errors="surrogateescape"))
            yield line

    def _open(self) -> AbstractContextManager[Iterable[str]]:
        raw = self._bytes()
        try:
            wide = raw.peek(2)[:2] in _UTF16
        except BaseException:
            raw.close()
            raise
        encoding, errors = ("utf-16", "strict") if wide else ("utf-8-sig", "surrogateescape")
        return io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline="")

    def _bytes(self) -> io.BufferedReader:
        if not self.path.name.endswith(".gz"):
            return self.path.open("rb")
        if self.whole_part:
            self._part = WholePart(self.path)
            return io.BufferedReader(self._part)
        # A larger buffer halves the cost of decompression.
        return io.BufferedReader(gzip.open(self.path), 1 << 18)


def _separator(header: str | None) -> str:
    """The sign between cells that the header has most of."""
    return max(_SEPARATORS, key=(header or "").count)


def _cells(line: str, separator: str) -> list[str]:
    """Raises csv.Error: quotes that do not belong together; none reaches into another line."""
    if '"' not in line:
        return line.rstrip("\r\n").split(separator)
    return next(csv.reader([line], delimiter=separator, strict=True), [])


def _lacking(form: Format, header: list[str]) -> list[str]:
    """What a header lacks for a form."""
    lacking = [column for column in form.needed if column not in header]
    return lacking if set(form.days) & set(header) else [*lacking, " or ".join(form.days)]


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
