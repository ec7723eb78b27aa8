"""What recordings hold, as the stages of a pipeline make it of them: ticks, bars, gaps, and books beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from marketprism_application.backtesting.recorded_books import RecordedBooks
from marketprism_application.contracts.packed import Packed
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.sources import source_of

_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, repr=False)  # of a hundred thousand rows
class Recorded:
    """What recordings hold; ticks and gaps by venue and symbol, and how many ticks were rejected by their reason."""

    ticks: Mapping[_Key, Sequence[Tick]]
    bars: Sequence[Bar]
    gaps: Mapping[_Key, Sequence[Gap]]
    beside: RecordedBooks
    rejected: Mapping[str, int]


# The recordings are the source of the settings; the bars are of one interval.
ReadRecordings: TypeAlias = Callable[[Settings, MarketCalendar, str], Recorded]


def read_recordings(settings: Settings, calendar: MarketCalendar, interval: str) -> Recorded:
    """All that the source of the settings has, from its beginning to its end. Raises SourceError: it cannot be read."""
    source = source_of(settings, calendar)
    ticks: dict[_Key, list[Tick]] = {}
    gaps: dict[_Key, list[Gap]] = {}
    beside = RecordedBooks()

    def keep(packed: Packed) -> None:
        for tick in packed.ticks:
            ticks.setdefault((tick.venue, tick.symbol), []).append(tick)
        for _, gap in packed.gaps:
            gaps.setdefault((gap.venue, gap.symbol), []).append(gap)

    async def read() -> Recorded:
        await source.connect()
        bars = replace(settings.bars, intervals=(interval,))
        rules = ValidationRules.of(settings.rules)
        found = await rebuild(beside.passing(source.stream({})), calendar, bars=bars, rules=rules, on_validated=keep)
        return Recorded(ticks, found.bars, gaps, beside, dict(sorted(found.rejected.items())))

    return asyncio.run(read())


__all__ = ["ReadRecordings", "Recorded", "read_recordings"]
