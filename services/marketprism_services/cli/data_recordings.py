"""Recordings of ticks as a file of bars: made by the pipeline's own code, as `marketprism rebuild` does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from marketprism_adapters.memory.rows_file import MemoryRowsFile
from marketprism_adapters.sources.registry import replay_spec
from marketprism_application.contracts.kinds import BAR
from marketprism_application.ports.imports import DECIMAL, FileFacts, FileSeries
from marketprism_application.replay.rebuild import Rebuilt, rebuild
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_services.cli.options import settings_of
from marketprism_services.wiring.sources import source_of

_PRICES = ("open", "high", "low", "close", "volume", "turnover", "open_interest")


def bars_of_recordings(path: Path, interval: str, calendar: MarketCalendar, config: Path | None) -> MemoryRowsFile:
    """The bars of a recording, or of all recordings of a folder.

    Raises:
        SourceError: no recording that is known.
    """
    settings = settings_of(config, source={"spec": replay_spec([str(path)]), "checked": True})
    source = source_of(settings, calendar)

    async def read() -> Rebuilt:
        await source.connect()
        bars = replace(settings.bars, intervals=(interval,))
        return await rebuild(source.stream({}), calendar, bars=bars, rules=ValidationRules.of(settings.rules))

    found: dict[FileSeries, list[Bar]] = {}
    for bar in asyncio.run(read()).bars:
        found.setdefault(FileSeries(BAR.name, bar.venue, bar.symbol, interval, bar.symbol), []).append(bar)
    tables = {
        series: pa.table(
            {
                "ts_open": pa.array([bar.ts_open for bar in bars], pa.int64()),
                **{name: pa.array([getattr(bar, name) for bar in bars], DECIMAL) for name in _PRICES},
            }
        )
        for series, bars in found.items()
    }
    facts = FileFacts(
        "recording",
        tuple(found),
        (),
        dense=False,
        stamped="open",
        remarks=("a recording of ticks: checked are the bars that it makes",),
    )
    return MemoryRowsFile(facts, tables)
