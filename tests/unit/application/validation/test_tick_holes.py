"""Ticks that were validated and are gone before they become bars: the numbers show it, and bars say so."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.packed import PACKED_VERSION, Packed
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at, tick

SECOND = 10**9
START = at("2018-10-08 09:00:00")
BARS = BarSettings(("1m", "5m"))


def validated(calendar: MarketCalendar, *, traded: bool = False) -> list[Packed]:
    """Ten minutes of one instrument, five ticks a message, a tick each two seconds."""
    validator = ShardValidator(calendar, ValidationRules())
    found = []
    for number in range(60):
        ticks = []
        for n in range(5 * number, 5 * number + 5):
            if traded:
                more: dict[str, object] = {"traded": Decimal(1), "traded_turnover": Decimal(5), "open_interest": None}
                volume = None
            else:
                more, volume = {}, n + 1
            ticks.append(tick(START + 2 * n * SECOND, 3_000 + n % 7, volume, day="20181008", seq=n + 1, **more))
        out = validator.process(Packed(PACKED_VERSION, "test", 0, 0, tuple(ticks)), number, 0)
        found.append(Packed(PACKED_VERSION, "test", 1, 0, tuple(out.ticks), tuple(out.marks), tuple(out.gaps)))
    return found


def last_of(bars: list[Bar]) -> dict[tuple[str, int], Bar]:
    return {(bar.interval, (bar.ts_open - START) // (60 * SECOND)): bar for bar in bars}


@pytest.mark.parametrize("restart", [False, True])
def test_bars_over_a_hole_carry_a_gap_and_others_do_not(calendar: MarketCalendar, *, restart: bool) -> None:
    aggregator = ShardAggregator(calendar, BARS)
    bars: list[Bar] = []
    holes = []
    for number, packed in enumerate(validated(calendar)):
        if 20 <= number < 26:  # seconds 200 to 258
            if restart:
                state = aggregator.snapshot()
                aggregator = ShardAggregator(calendar, BARS)
                aggregator.restore(state)
            continue
        bars += aggregator.process(packed)
        holes += aggregator.holes
    (hole,) = holes
    assert (hole.ts_from, hole.ts_to, hole.cause) == (START + 198 * SECOND, START + 260 * SECOND, "truncated")
    flagged = {key for key, bar in last_of(bars).items() if bar.gap}
    assert flagged == {("1m", 3), ("1m", 4), ("5m", 0)}


def test_without_a_hole_nothing_is_flagged(calendar: MarketCalendar) -> None:
    aggregator = ShardAggregator(calendar, BARS)
    bars = [bar for packed in validated(calendar) for bar in aggregator.process(packed)]
    assert bars
    assert not any(bar.gap for bar in bars)


@pytest.mark.parametrize("traded", [False, True])
def test_a_log_of_ticks_that_is_read_again_counts_nothing_twice(calendar: MarketCalendar, *, traded: bool) -> None:
    messages = validated(calendar, traded=traded)
    once = ShardAggregator(calendar, BARS)
    right = last_of([bar for packed in messages for bar in once.process(packed)])
    aggregator = ShardAggregator(calendar, BARS)
    bars = [bar for packed in messages[:33] for bar in aggregator.process(packed)]
    aggregator.replaced("other")
    for packed in messages:  # validated anew: other numbers, the same places
        again = packed._replace(ticks=tuple(t._replace(epoch=2, seq=t.seq + 7_000) for t in packed.ticks))
        bars += aggregator.process(again)
        assert not aggregator.holes
    assert last_of(bars).keys() == right.keys()
    for key, bar in last_of(bars).items():
        assert (bar.volume, bar.high, bar.low, bar.open, bar.close, bar.gap) == (
            right[key].volume,
            right[key].high,
            right[key].low,
            right[key].open,
            right[key].close,
            right[key].gap,
        )


def test_a_replaced_log_that_begins_later_leaves_a_gap(calendar: MarketCalendar) -> None:
    messages = validated(calendar)
    aggregator = ShardAggregator(calendar, BARS)
    bars = [bar for packed in messages[:20] for bar in aggregator.process(packed)]
    aggregator.replaced("other")
    for packed in messages[30:]:
        again = packed._replace(ticks=tuple(t._replace(seq=t.seq - 150, epoch=2) for t in packed.ticks))
        bars += aggregator.process(again)
    assert {key for key, bar in last_of(bars).items() if bar.gap and key[0] == "1m"} == {("1m", 3), ("1m", 5)}


def test_a_snapshot_of_the_older_form_is_restored(calendar: MarketCalendar) -> None:
    messages = validated(calendar)
    aggregator = ShardAggregator(calendar, BARS)
    for packed in messages[:20]:
        aggregator.process(packed)
    builders, bars, changes, _ = msgspec.msgpack.decode(aggregator.snapshot())
    older = [[saved[:3] for saved in builders], bars, changes]
    again = ShardAggregator(calendar, BARS)
    again.restore(msgspec.msgpack.encode(older))
    made = [bar for packed in messages[20:] for bar in again.process(packed)]
    assert made
    assert not any(bar.gap for bar in made)
