"""A gateway under a load from memory that has an end: `python -m tests.chaos.fed_load --config FILE --source steady:…`.

Every gateway of a drill gives out the same rows with the same numbers, each when it is due since the first of them began:
whoever takes over catches up at once. The load ends when a file says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.sources import registry
from marketprism_application.ports.sources import SourceBatch, SourceTraits
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar

SOURCE = "steady"
BEGUN, STOP = "load.begun", "load.stop"
_BATCH = 256
_ROWS = 30_000
_CALENDAR = chinese_calendar_of_markets()
_LONGEST_S = 0.25
_TS_EVENT = Tick._fields.index("ts_event")
_SEQ, _DAY = Tick._fields.index("source_seq"), Tick._fields.index("trading_day")


def symbol(number: int) -> str:
    """Contract of the recording's product, one for each number."""
    return f"ru{20 + number // 12:02d}{number % 12 + 1:02d}"


@cache
def _rows_of(file: Path, calendar: MarketCalendar) -> list[Tick]:
    """As many as a drill may last; they are read before anything runs that must not wait for it."""
    return list(islice(Recording(file, calendar).rows(), _ROWS))


class SteadySource:
    """Fulfils `MarketSource`: the rows of a recording for each of `instruments`, `rate` ticks a second, until the number
    that a file `load.stop` in `folder` names."""

    traits = SourceTraits(named=True)

    def __init__(self, file: Path, calendar: MarketCalendar, instruments: int, rate: float, folder: Path) -> None:
        self.source = SOURCE
        self._rate = rate
        self._folder = folder
        self._symbols = [symbol(number) for number in range(instruments)]
        self._rows = _rows_of(file, calendar)

    async def connect(self) -> None:
        """The first gateway notes when the load begins."""
        with contextlib.suppress(FileExistsError), (self._folder / BEGUN).open("x") as begun:
            begun.write(repr(time.time()))

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """None: their terms are not asked for."""
        return []

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """All rows behind `after`, in blocks, each when it is due."""
        known, seq, clock = after.get(SOURCE, 0), 0, 0
        begun = float((self._folder / BEGUN).read_text())
        block: list[Tick] = []
        new = tuple.__new__
        for row in self._rows:
            if seq + len(self._symbols) <= known:
                seq += len(self._symbols)
                continue
            times, rest, clock = row[_TS_EVENT:_SEQ], row[_DAY:], row.ts_recv
            for name in self._symbols:
                seq += 1
                if seq > known:
                    block.append(new(Tick, (row.venue, name, SOURCE, 0, 0, *times, seq, *rest)))
            if len(block) >= _BATCH:
                yield SourceBatch(block, clock, {SOURCE: seq})
                block = []
                while (wait := begun + seq / self._rate - time.time()) > 0:
                    await asyncio.sleep(min(wait, _LONGEST_S))
                if self._is_over(seq):
                    break
        if block:
            yield SourceBatch(block, clock, {SOURCE: seq})
        yield SourceBatch([], clock + 61 * 10**9, {SOURCE: seq}, finished=True)

    def _is_over(self, seq: int) -> bool:
        """Whether everything is given out up to the number that the file names: whoever takes over begins before what
        was given out last."""
        try:
            return seq >= int((self._folder / STOP).read_text() or seq + 1)
        except FileNotFoundError:
            return False

    async def close(self) -> None:
        """Nothing to close."""


def _steady(arguments: str, _: registry.SourceContext) -> SteadySource:
    """`<instruments>,<rate>,<folder>,<file>`"""
    instruments, rate, folder, file = arguments.split(",")
    return SteadySource(Path(file), _CALENDAR, int(instruments), float(rate), Path(folder))


def main() -> None:
    """`run gateway` with one source more."""
    registry.SOURCES[SOURCE] = _steady
    _rows_of(Path(sys.argv[sys.argv.index("--source") + 1].rpartition(",")[2]), _CALENDAR)
    from marketprism_services.cli.app import main as run  # noqa: PLC0415 (reads the registry when it is loaded)

    sys.argv[1:1] = ["run", "gateway"]
    run()


if __name__ == "__main__":
    main()
