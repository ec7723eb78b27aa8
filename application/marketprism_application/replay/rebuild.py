"""Offline rebuild: a recording through the same packer, validation and bar code as the live pipeline.

No NATS, no store, no clock: the bars are those of the live run of the same recording, byte for byte, because
every stage of the live pipeline is the same pure function that runs here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.packed import PACKED_VERSION, Packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.bars.market_bar import MarketBar
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules


@dataclass
class Rebuilt:
    """Bars in their last revision, and what happened to the ticks."""

    bars: list[Bar] = field(default_factory=list)
    ticks_read: int = 0
    published: int = 0
    stale: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


async def rebuild(
    batches: AsyncIterator[SourceBatch],
    calendar: MarketCalendar,
    *,
    bars: BarSettings,
    rules: ValidationRules,
    on_validated: Callable[[Packed], None] = lambda _: None,
) -> Rebuilt:
    """Run every batch of a source through the pipeline's own code; `on_validated` sees what the validator puts out.

    Returns bars ordered by venue, symbol, interval (in the order of the settings) and open time; where a bar
    was revised, the last revision stands.
    """
    packer = TickPacker(calendar, lambda _: 0, grace_s=bars.grace_s)
    validator = ShardValidator(calendar, rules, epoch=0)
    aggregator = ShardAggregator(calendar, bars)
    latest: dict[tuple[str, str, str, int], MarketBar] = {}
    sequence = 0
    ticks_read = 0
    async for batch in batches:
        ticks_read += len(batch.ticks)
        for _, packed in packer.feed(batch):
            sequence += 1
            out = validator.process(packed, sequence, packed.ts_pub)
            validated = Packed(
                PACKED_VERSION,
                packed.source,
                packed.epoch,
                packed.ts_pub,
                tuple(out.ticks),
                tuple(out.marks),
                tuple(out.gaps),
                changes=tuple(out.changes),
            )
            on_validated(validated)
            _keep_latest(latest, aggregator.process(validated))
    result = Rebuilt(bars=_ordered((made.bar for made in latest.values()), bars.intervals), ticks_read=ticks_read)
    for counts in validator.stats().values():
        result.published += counts["accepted"]
        result.stale += counts["stale"]
        for reason, count in counts["rejected"].items():
            result.rejected[reason] = result.rejected.get(reason, 0) + count
    return result


def _keep_latest(latest: dict[tuple[str, str, str, int], MarketBar], bars: Iterable[Bar]) -> None:
    for bar in bars:
        known = latest.get((bar.venue, bar.symbol, bar.interval, bar.ts_open))
        if known is None:
            made = MarketBar(bar)
            latest[made.identity] = made
        else:
            known.revise(bar)


def _ordered(bars: Iterable[Bar], intervals: tuple[str, ...]) -> list[Bar]:
    rank = {interval: position for position, interval in enumerate(intervals)}
    return sorted(bars, key=lambda bar: (bar.venue, bar.symbol, rank[bar.interval], bar.ts_open))
