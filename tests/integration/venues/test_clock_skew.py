"""A machine whose clock is off beside a live venue: every trade is in the bar of its own time, or the bar says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.integration.venues.venue_side import batches, venue

SETTLED = 200  # ticks


@pytest.mark.parametrize("skew_s", [-30.0, 30.0, 600.0], ids=["behind", "ahead", "far"])
@pytest.mark.parametrize("market", ["binance", "okx", "deribit", "bybit"])
async def test_trades_are_in_the_bar_of_their_own_time(market: str, skew_s: float) -> None:
    async with venue(market, skew_s=skew_s, rate=60.0) as (_, source):
        await source.connect()
        seen = await batches(source, lambda found: sum(len(batch.ticks) for batch in found) > SETTLED, seconds=60)
    ticks = [tick for batch in seen for tick in batch.ticks]

    async def told() -> AsyncIterator[SourceBatch]:
        for batch in seen:
            yield batch
        end = max(tick.ts_event for tick in ticks) + 2 * NANOS_PER_MINUTE
        yield SourceBatch([], end, {}, finished=True)

    made = await rebuild(told(), chinese_calendar_of_markets(), bars=BarSettings(("1m",)), rules=ValidationRules())
    expected: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    for tick in ticks:
        if tick.traded:
            expected[tick.symbol, tick.ts_event // NANOS_PER_MINUTE * NANOS_PER_MINUTE] += tick.traded
    found = {(bar.symbol, bar.ts_open): bar for bar in made.bars}
    assert set(made.rejected) <= {"time_reversed"}  # best prices that came behind a newer trade
    assert set(found) == set(expected)
    for key, volume in expected.items():
        assert found[key].volume == volume or found[key].gap, (key, found[key].volume, volume)
    assert made.stale < len(ticks) / 2
