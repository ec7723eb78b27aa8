"""A receive clock that is off, or is set: bars are those of the right clock, or say that something is missing."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.packed import PACKED_VERSION, Packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at, tick

SECOND = 10**9
START = at("2018-10-08 09:00:00")  # the first day after a holiday has no night
MINUTES = 6
SETTLE_MINUTES = 2  # bars in which a clock may be found out
OFFSETS = [-3_600, -30, -5.1, 0, 5.1, 30, 3_600]
STEPS = [
    *((offset, offset) for offset in OFFSETS),
    *((0, offset) for offset in OFFSETS if offset),
    *((offset, 0) for offset in OFFSETS if offset),
    (30, -30),
    (-5.1, 5.1),
    (3_600, -3_600),
    (-3_600, 3_600),
]
Offset = Callable[[int], float]


@functools.cache
def snapshots(seed: int) -> list[Tick]:
    """Two instruments of one front, a snapshot each half second, a trade in most of them."""
    dice = random.Random(seed)
    made: list[Tick] = []
    volumes, prices = {"rb2505": 0, "hc2505": 0}, {"rb2505": 3_300, "hc2505": 3_500}
    for half in range(MINUTES * 120):
        for symbol in ("rb2505", "hc2505"):
            volumes[symbol] += dice.choice((0, 1, 2, 7))
            prices[symbol] += dice.choice((-1, 0, 0, 1))
            ts = START + half * SECOND // 2 + dice.randrange(200) * 10**6
            recv = ts + dice.randrange(5, 40) * 10**6
            made.append(
                tick(ts, prices[symbol], volumes[symbol] + 1, symbol=symbol, seq=half + 1, ts_recv=recv, day="20181008")
            )
    return sorted(made, key=lambda t: t.ts_recv)


@functools.cache
def trades(seed: int) -> list[Tick]:
    """Single trades of a crypto venue."""
    dice = random.Random(seed)
    made = []
    for number in range(MINUTES * 60 * 3):
        ts = at("2018-10-08 08:00:00") + number * SECOND // 3
        made.append(
            tick(
                ts,
                60_000 + dice.randrange(100),
                None,
                venue="okx",
                symbol="BTC-USDT",
                day="20181008",
                seq=number + 1,
                traded=Decimal(dice.randrange(1, 9)),
                traded_turnover=Decimal(1),
                open_interest=None,
                ts_recv=ts + dice.randrange(5, 40) * 10**6,
            )
        )
    return made


def seen_by(ticks: Sequence[Tick], offset_s: Offset) -> list[Tick]:
    """The same ticks by a clock that is off; it is asked with the seconds since the start."""
    start = ticks[0].ts_recv
    return [t._replace(ts_recv=t.ts_recv + int(offset_s((t.ts_recv - start) // SECOND) * SECOND)) for t in ticks]


def run(
    calendar: MarketCalendar, ticks: Sequence[Tick], *, polled: bool = False
) -> tuple[dict[tuple[str, int], Bar], list[Gap], ShardValidator]:
    packer = TickPacker(calendar, lambda _: 0)
    validator, aggregator = ShardValidator(calendar, ValidationRules()), ShardAggregator(calendar, BarSettings(("1m",)))
    bars: dict[tuple[str, int], Bar] = {}
    gaps: list[Gap] = []
    batches = [SourceBatch(ticks[n : n + 7], ticks[n : n + 7][-1].ts_recv, {}) for n in range(0, len(ticks), 7)]
    if polled:  # the clock is looked at before ticks come by it
        batches = [each for b in batches for each in (SourceBatch([], b.ticks[0].ts_recv, {}), b)]
    batches.append(SourceBatch([], ticks[-1].ts_recv + 90 * SECOND, {}, finished=True))
    for number, batch in enumerate(batches):
        for _, packed in packer.feed(batch):
            out = validator.process(packed, number, 0)
            gaps += [gap for _, gap in out.gaps]
            valid = Packed(PACKED_VERSION, "", 0, 0, tuple(out.ticks), tuple(out.marks), tuple(out.gaps))
            bars.update({(bar.symbol, bar.ts_open): bar for bar in aggregator.process(valid)})
    assert aggregator.late == 0
    return bars, gaps, validator


@functools.cache
def undisturbed(
    calendar: MarketCalendar, make: Callable[[int], list[Tick]], seed: int
) -> tuple[dict[tuple[str, int], Bar], list[Gap]]:
    """Bars and gaps by the right clock."""
    return run(calendar, make(seed))[:2]


def content(bar: Bar) -> tuple[object, ...]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover


def stepping(first: float, second: float) -> Offset:
    return lambda elapsed: first if elapsed < MINUTES * 30 + 20 else second


@pytest.mark.parametrize("polled", [False, True])
@pytest.mark.parametrize("make", [snapshots, trades])
@pytest.mark.parametrize(("first", "second"), STEPS)
def test_bars_are_those_of_the_right_clock_or_carry_a_gap(
    calendar: MarketCalendar, make: Callable[[int], list[Tick]], first: float, second: float, *, polled: bool
) -> None:
    ticks = make(7)
    right, no_gaps = undisturbed(calendar, make, 7)
    assert not no_gaps
    bars, gaps, _ = run(calendar, seen_by(ticks, stepping(first, second)), polled=polled)
    assert bars.keys() == right.keys()
    flagged = [key for key, bar in bars.items() if bar.gap]
    for key, bar in right.items():
        assert bars[key].gap or content(bars[key]) == content(bar), key
    assert {gap.cause for gap in gaps} <= {"excluded"}
    symbols = len({t.symbol for t in ticks})
    assert len(flagged) <= SETTLE_MINUTES * symbols * ((first != 0) + (first != second))
    assert all(bars[key].gap is False for key in right if key[1] >= ticks[-1].ts_event - 120 * SECOND)


@pytest.mark.parametrize("make", [snapshots, trades])
def test_a_clock_that_is_set_back_half_a_minute_loses_nothing(
    calendar: MarketCalendar, make: Callable[[int], list[Tick]]
) -> None:
    ticks = make(3)
    right, _ = undisturbed(calendar, make, 3)
    bars, gaps, validator = run(calendar, seen_by(ticks, stepping(0, -30)))
    assert not gaps
    assert {key: content(bar) for key, bar in bars.items()} == {key: content(bar) for key, bar in right.items()}
    assert all(counts["stale"] == 0 for counts in validator.stats().values())


@pytest.mark.parametrize("offset", OFFSETS)
def test_the_offset_is_known_to_the_tenth_of_a_second_and_outlives_a_restart(
    calendar: MarketCalendar, offset: float
) -> None:
    _, _, validator = run(calendar, seen_by(snapshots(5), lambda _: offset))
    again = ShardValidator(calendar, ValidationRules())
    again.restore(validator.snapshot())
    for shard in (validator, again):
        (clock,) = shard.memory.clocks.values()
        assert clock.settled
        assert clock.offset_ns == pytest.approx(offset * SECOND, abs=SECOND / 10)


@pytest.mark.parametrize("offset", [0, 3_600, -3_600])
def test_the_row_of_the_evening_before_is_stale_by_a_clock_that_is_off_too(
    calendar: MarketCalendar, offset: float
) -> None:
    ticks = seen_by(snapshots(5), lambda _: offset)
    _, _, validator = run(calendar, ticks)
    old = ticks[-1]._replace(
        ts_event=at("2018-09-28 15:00:00"), trading_day="20181008", symbol="ag2506", source_seq=9_999
    )
    out = validator.process(Packed(PACKED_VERSION, "test", 0, 0, (old,)), 10_000, 0)
    assert [t.verdict for t in out.ticks] == ["stale"]
    assert not out.gaps


def test_a_login_that_brings_rows_of_long_ago_does_not_move_the_clock() -> None:
    clock = VenueClock()
    for number in range(500):
        when = at("2018-09-28 14:59:50") + number * SECOND // 50
        assert not clock.hears(f"rb{number}", when, START + number * 10**6)
    assert clock.offset_ns == 0
    assert clock.hears("rb2505", START + SECOND, START + SECOND + 10**7)
    assert abs(clock.offset_ns) < SECOND


def test_marks_do_not_run_ahead_of_the_venue(calendar: MarketCalendar) -> None:
    for offset in OFFSETS:
        ticks = seen_by(snapshots(5), lambda _, offset=offset: offset)  # type: ignore[misc]
        packer = TickPacker(calendar, lambda _: 0)
        reached = 0
        marks = 0
        for n in range(len(ticks)):
            for _, packed in packer.feed(SourceBatch(ticks[n : n + 1], ticks[n].ts_recv, {})):
                reached = max(reached, ticks[n].ts_event)
                for mark in packed.marks:
                    marks += 1
                    assert mark.ts_event <= reached + 4 * SECOND
                    assert mark.ts_event >= reached - 4 * SECOND or reached < START + 10 * SECOND
        assert marks >= MINUTES - 3


# -- venues that a leader follows, whoever published their ticks before


def marks_of(packer: TickPacker, batches: Sequence[SourceBatch]) -> list[tuple[int, int, str, int]]:
    """(partition, second from the beginning, venue, event time in seconds of the beginning) of each mark."""
    return [
        (partition, (batch.ts_clock - START) // SECOND, mark.venue, (mark.ts_event - START) // SECOND)
        for batch in batches
        for partition, packed in packer.feed(batch)
        for mark in packed.marks
    ]


def quiet(begin_s: int, end_s: int) -> list[SourceBatch]:
    """The clock alone, once a second."""
    return [SourceBatch((), START + second * SECOND, {}) for second in range(begin_s, end_s)]


def test_a_venue_that_sends_nothing_more_has_its_minutes_closed_by_the_next_leader(calendar: MarketCalendar) -> None:
    """It took over a moment before the session's end: without a tick nothing else would close the last bars."""
    batches = quiet(10, 200)
    assert marks_of(TickPacker(calendar, lambda _: 0), batches) == []
    packer = TickPacker(calendar, lambda name: int(name == "dce.m2505"))
    packer.follow("x", [("shfe", "rb2505"), ("dce", "m2505"), ("shfe", "hc2505")])
    assert marks_of(packer, batches) == [
        (partition, second, venue, second)
        for second in (123, 183)  # the first of them is due when the clock is not a minute old
        for partition, venue in ((0, "shfe"), (1, "dce"))
    ]


@pytest.mark.parametrize("begin_s", [0, 1, 2, 3, 30, 59])
@pytest.mark.parametrize("offset", OFFSETS)
def test_a_venue_that_sends_has_its_marks_as_if_nobody_had_followed_it(
    calendar: MarketCalendar, offset: float, begin_s: int
) -> None:
    ticks = seen_by(snapshots(5), lambda _: offset)
    first = ticks[0].ts_recv
    before = [SourceBatch((), first - (20 - n) * SECOND, {}) for n in range(20)]
    batches = [*before, *(SourceBatch(ticks[n : n + 2], ticks[n].ts_recv, {}) for n in range(begin_s, len(ticks), 2))]
    followed, other = TickPacker(calendar, lambda _: 0), TickPacker(calendar, lambda _: 0)
    followed.follow("x", [("shfe", "rb2505"), ("shfe", "hc2505")])
    assert marks_of(followed, batches) == marks_of(other, batches)
