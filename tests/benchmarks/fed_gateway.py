"""A gateway that is fed from memory: `python -m tests.benchmarks.fed_gateway --config FILE fed:…`, else `marketprism run gateway`.

Its source has the rows of recordings in memory before it is asked for the first one, and gives them out for many
instruments, so that what is measured is the pipeline and neither gzip nor the parsing of text.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.sources import registry
from marketprism_application.ports.sources import SourceBatch, SourceTraits
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar

SOURCE = "fed"
_BATCH = 512
_TS_EVENT, _LAST = Tick._fields.index("ts_event"), Tick._fields.index("last")
_SEQ, _DAY = Tick._fields.index("source_seq"), Tick._fields.index("trading_day")


def symbol(number: int) -> str:
    """Contract of the recording's product, one for each number."""
    return f"ru{20 + number // 12:02d}{number % 12 + 1:02d}"


class FedSource:
    """Fulfils `MarketSource`: every row of the recordings for each of `instruments`, `rate` ticks a second or, with 0,
    as fast as they are taken. `notes` gets what the process had used when the first and the last row was given out."""

    traits = SourceTraits(named=True)

    def __init__(self, files: list[Path], calendar: MarketCalendar, instruments: int, rate: float, notes: Path) -> None:
        self.source = SOURCE
        self._rate = rate
        self._notes = notes
        self._symbols = [symbol(number) for number in range(instruments)]
        self._rows = [tick for path in files for tick in Recording(path, calendar).rows()]

    async def connect(self) -> None:
        """Nothing to open: the rows are there."""

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """None: their terms are not asked for."""
        return []

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """All rows behind `after`, in blocks."""
        known = after.get(SOURCE, 0)
        begun = {"cpu_s": time.process_time(), "at": time.time()}
        started, seq, given = time.monotonic(), 0, 0
        block: list[Tick] = []
        clock, new = 0, tuple.__new__
        for row in self._rows:
            venue, times = row.venue, row[_TS_EVENT:_SEQ]
            rest, clock = row[_DAY:], row.ts_recv
            for name in self._symbols:
                seq += 1
                if seq > known:
                    block.append(new(Tick, (venue, name, SOURCE, 0, 0, *times, seq, *rest)))
            if len(block) >= _BATCH:
                yield SourceBatch(block, clock, {SOURCE: seq})
                given += len(block)
                block = []
                if self._rate:
                    await asyncio.sleep(max(0.0, started + given / self._rate - time.monotonic()))
        if block:
            yield SourceBatch(block, clock, {SOURCE: seq})
        ended = {"cpu_s": time.process_time(), "at": time.time()}
        self._notes.write_text(json.dumps({"ticks": seq, "begun": begun, "ended": ended}))
        yield SourceBatch([], clock + 61 * 10**9, {SOURCE: seq}, finished=True)

    async def close(self) -> None:
        """Nothing to close."""


def own_cost_us(files: list[Path], calendar: MarketCalendar, instruments: int) -> float:
    """Microseconds of processor time for which the source itself makes a tick."""

    async def drain() -> int:
        source = FedSource(files[:1], calendar, instruments, 0.0, Path("/dev/null"))
        return sum([len(batch.ticks) async for batch in source.stream({})])

    warm = asyncio.run(drain())
    started = time.process_time()
    source = FedSource(files[:1], calendar, instruments, 0.0, Path("/dev/null"))
    loaded = time.process_time()

    async def again() -> None:
        async for _ in source.stream({}):
            pass

    del started
    asyncio.run(again())
    return (time.process_time() - loaded) / warm * 1e6


def _fed(arguments: str, given: registry.SourceContext) -> FedSource:
    """`<instruments>,<rate>,<notes>,<file>,<file>…`"""
    instruments, rate, notes, *files = arguments.split(",")
    return FedSource([Path(each) for each in files], given.calendar, int(instruments), float(rate), Path(notes))


def main() -> None:
    """`run gateway` with one source more."""
    registry.SOURCES[SOURCE] = _fed
    from marketprism_services.cli.app import main as run  # noqa: PLC0415 (reads the registry when it is loaded)

    sys.argv[1:1] = ["run", "gateway"]
    run()


if __name__ == "__main__":
    main()
