"""A gateway of generated ticks: `python -m tests.histories.generated_load --config FILE --source generated:…`.

The rows of one simulated instrument are given out for as many as are wanted, at a pace that is wanted; every gateway
gives out the same rows with the same numbers, and whoever takes over goes on from where the one before it was.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.sources import registry
from marketprism_adapters.synthetic.plan import SimulationPlan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_application.ports.sources import SourceBatch, SourceTraits
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar

SOURCE = "generated"
_BATCH = 256
_LONGEST_S = 0.25
_TEMPLATE = "rb2505"
_DAYS = 30
_BREAK_NS, _HOUR_NS = 300 * 10**9, 3_600 * 10**9
_TS_EVENT = Tick._fields.index("ts_event")
_SEQ, _DAY = Tick._fields.index("source_seq"), Tick._fields.index("trading_day")


def symbol(number: int) -> str:
    """Contract of the template's product, one for each number."""
    return f"rb{20 + number // 12:02d}{number % 12 + 1:02d}"


def template(calendar: MarketCalendar) -> SimulatedVenue:
    """Whose rows every instrument has."""
    return SimulatedVenue(SimulationPlan(days=_DAYS, instruments=(_TEMPLATE,)), calendar)


def market_hours(rows: int) -> float:
    """How long the market was open from an instrument's first row to its last of so many; breaks are left out."""
    open_ns, before = 0, 0
    for row in islice(template(chinese_calendar_of_markets()).ticks(), rows):
        if 0 < row.ts_event - before < _BREAK_NS:
            open_ns += row.ts_event - before
        before = row.ts_event
    return open_ns / _HOUR_NS


class GeneratedSource:
    """Fulfils `MarketSource`: rows for each of `instruments`, `rate` ticks a second."""

    traits = SourceTraits(named=True)

    def __init__(self, calendar: MarketCalendar, instruments: int, rate: float) -> None:
        self.source = SOURCE
        self._rate = rate
        self._symbols = [symbol(number) for number in range(instruments)]
        self._template = template(calendar)

    async def connect(self) -> None:
        """Nothing to open."""

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """None: their terms are not asked for."""
        return []

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """All rows behind `after`, in blocks, each when it is due."""
        known, seq, clock = after.get(SOURCE, 0), 0, 0
        begun = time.monotonic() - known / self._rate
        block: list[Tick] = []
        new = tuple.__new__
        for row in self._template.ticks():
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
                    while (wait := begun + seq / self._rate - time.monotonic()) > 0:
                        await asyncio.sleep(min(wait, _LONGEST_S))
        if block:
            yield SourceBatch(block, clock, {SOURCE: seq})
        yield SourceBatch([], clock + 61 * 10**9, {SOURCE: seq}, finished=True)

    async def close(self) -> None:
        """Nothing to close."""


def _generated(arguments: str, _: registry.SourceContext) -> GeneratedSource:
    """`<instruments>,<rate>`"""
    instruments, rate = arguments.split(",")
    return GeneratedSource(chinese_calendar_of_markets(), int(instruments), float(rate))


def main() -> None:
    """`run gateway` with one source more."""
    registry.SOURCES[SOURCE] = _generated
    from marketprism_services.cli.app import main as run  # noqa: PLC0415 (reads the registry when it is loaded)

    sys.argv[1:1] = ["run", "gateway"]
    run()


if __name__ == "__main__":
    main()
