"""Reading one recording, with errors that name file, row, column and value."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from marketprism_adapters.counters.depth.fields import BadField
from marketprism_adapters.counters.recordings.formats import FORMATS, Format, RowReader, Skipped
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel, FrameTap
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import reason_of

DECODER = "recording.csv"  # of captured lines
_ENDINGS = (".csv", ".csv.gz")
# A venue's clock may step back a little between snapshots; further back means that the file is not in time order.
_MAX_STEP_BACK_NS = 60_000_000_000


class Recording:
    """One file of one or more instruments, in arrival order.

    Raises (everywhere):
        SourceError: missing, unreadable, truncated, of unknown columns, or with a cell that is no value of its column.
    """

    def __init__(self, path: Path, calendar: MarketCalendar) -> None:
        self.path = path
        self.source = f"replay:{path.name.removesuffix('.gz').removesuffix('.csv')}"
        self.skipped: dict[str, int] = {}
        self._calendar = calendar
        if not path.name.endswith(_ENDINGS):
            raise SourceError(f"recording {path}: expected a file ending in .csv or .csv.gz")
        if not path.exists():
            raise SourceError(f"recording {path}: expected a file, there is none")
        self.format, self._columns = self._detect()

    def _detect(self) -> tuple[Format, list[str]]:
        header = next(self._lines(), None)
        if not header:
            raise SourceError(f"recording {self.path}: expected a header row, the file is empty")
        missing = {form.name: [c for c in form.columns if c not in header] for form in FORMATS}
        for form in FORMATS:
            if not missing[form.name]:
                return form, header
        nearest = max(FORMATS, key=lambda form: len(form.columns) - len(missing[form.name]))
        lacking = missing[nearest.name]
        shown = ", ".join(lacking[:8]) + (f" and {len(lacking) - 8} more" if len(lacking) > 8 else "")
        raise SourceError(
            f"recording {self.path}: expected the columns of a {nearest.name} recording, missing {shown}; "
            f"was {', '.join(header[:8])} …"
        )

    def rows(self, tap: FrameTap | None = None) -> Iterator[Tick]:
        """Every tick, streaming; `source_seq` is the row number, the first row below the header being 1.

        `tap` gets each line before it is read.
        """
        self.skipped = {}
        lines = self._lines(tap)
        next(lines)
        width = len(self._columns)
        read = self.format.reader({c: n for n, c in enumerate(self._columns)}, self._calendar, self.source)
        latest: dict[str, int] = {}
        for number, row in enumerate(lines, 1):
            if len(row) != width:
                raise SourceError(f"recording {self.path}, row {number}: expected {width} columns, was {len(row)}")
            tick = self._read(read, row, number)
            if isinstance(tick, Skipped):
                self.skipped[tick.reason] = self.skipped.get(tick.reason, 0) + 1
                continue
            self._check_order(tick, number, latest)
            yield tick

    def raw_rows(self) -> Iterator[tuple[dict[str, str], Tick]]:
        """Every row that is a tick, as its cells by column and as the tick. Raises SourceError as `rows`."""
        lines = self._lines()
        next(lines)
        read = self.format.reader({c: n for n, c in enumerate(self._columns)}, self._calendar, self.source)
        for number, row in enumerate(lines, 1):
            tick = self._read(read, row, number)
            if not isinstance(tick, Skipped):
                yield dict(zip(self._columns, row, strict=True)), tick

    def _read(self, read: RowReader, row: list[str], number: int) -> Tick | Skipped:
        try:
            return read(row, number)
        except (BadField, InvalidValue) as error:
            raise SourceError(f"recording {self.path}, row {number}: {error}") from error

    def _check_order(self, tick: Tick, number: int, latest: dict[str, int]) -> None:
        before = latest.get(tick.symbol, 0)
        if tick.ts_event >= before:
            latest[tick.symbol] = tick.ts_event
        elif before - tick.ts_event > _MAX_STEP_BACK_NS and self._in_session(tick):
            seconds = (before - tick.ts_event) / 1e9
            raise SourceError(
                f"recording {self.path}, row {number}: expected rows in time order, "
                f"{tick.symbol} went back by {seconds:.1f} s"
            )

    def _in_session(self, tick: Tick) -> bool:
        return self._calendar.schedule(tick.venue, tick.symbol).place(tick.ts_event).session is not None

    def _lines(self, tap: FrameTap | None = None) -> Iterator[list[str]]:
        try:
            with self._open() as text:
                yield from csv.reader(text if tap is None else self._tapped(text, tap), strict=True)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceError(f"recording {self.path}: expected a complete gzip file: {reason_of(error)}") from error
        except UnicodeDecodeError as error:
            raise SourceError(f"recording {self.path}: expected UTF-8 text: {error.reason}") from error
        except csv.Error as error:
            raise SourceError(f"recording {self.path}: expected CSV: {error}") from error
        except OSError as error:
            raise SourceError(f"recording {self.path}: expected a readable file: {error.strerror}") from error

    def _tapped(self, text: Iterable[str], tap: FrameTap) -> Iterator[str]:
        channel = Channel(self.source.removeprefix("replay:"), DECODER)
        for line in text:
            tap.frame(channel, line.encode())
            yield line

    def _open(self) -> AbstractContextManager[Iterable[str]]:
        if self.path.name.endswith(".gz"):
            # A larger buffer halves the cost of decompression.
            return io.TextIOWrapper(io.BufferedReader(gzip.open(self.path), 1 << 18), encoding="utf-8", newline="")
        return self.path.open(encoding="utf-8", newline="")


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
            raise SourceError(f"recording {recording.path}: expected at least one tick, found none")
