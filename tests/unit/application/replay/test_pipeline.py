"""Packing, validation and aggregation as pure functions: cut and restarted anywhere, they say the same."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_adapters.synthetic.plan import parse_plan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.packed import (
    PACKED_VERSION,
    Packed,
    decode_for_bars,
    decode_packed,
    encode_packed,
)
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.replay.rebuild import rebuild
from marketprism_application.validation.message_pass import MAX_REJECTION_EVENTS
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at, tick

DAY = "2025-03-03 "
BARS = BarSettings(("1m", "5m", "1h", "1d"))


@pytest.fixture(scope="module")
def simulated(calendar: MarketCalendar) -> list[Tick]:
    plan = parse_plan("seed=3,rate=0.1,instruments=rb2505+AP505+IF2503,faults=all")
    return list(SimulatedVenue(plan, calendar).ticks())


def raw_of(
    calendar: MarketCalendar, ticks: Sequence[Tick], cuts: Sequence[int], partitions: int = 1
) -> list[tuple[int, Packed]]:
    packer = TickPacker(calendar, lambda key: sum(key.encode()) % partitions)
    out, edges = [], [0, *sorted(cuts), len(ticks)]
    for start, end in itertools.pairwise(edges):
        part = ticks[start:end]
        clock = part[-1].ts_recv if part else 0
        out += packer.feed(SourceBatch(part, clock, {}))
    out += packer.feed(SourceBatch([], ticks[-1].ts_recv + 61 * 10**9, {}, finished=True))
    return out


def bars_of(
    calendar: MarketCalendar,
    raw: Sequence[tuple[int, Packed]],
    restarts: frozenset[int] = frozenset(),
    decode: Callable[[bytes], Packed] = decode_packed,
) -> list[Bar]:
    """Bars of raw messages, each partition on its own, with restarts from snapshots between messages."""
    validators: dict[int, ShardValidator] = {}
    aggregators: dict[int, ShardAggregator] = {}
    bars: list[Bar] = []
    for number, (partition, packed) in enumerate(raw):
        validator = validators.setdefault(partition, ShardValidator(calendar, ValidationRules()))
        aggregator = aggregators.setdefault(partition, ShardAggregator(calendar, BARS))
        if number in restarts:
            state, sums = validator.snapshot(), aggregator.snapshot()
            validator = validators[partition] = ShardValidator(calendar, ValidationRules())
            aggregator = aggregators[partition] = ShardAggregator(calendar, BARS)
            validator.restore(state)
            aggregator.restore(sums)
        out = validator.process(packed, number, 0)
        validated = Packed(PACKED_VERSION, "", 0, 0, tuple(out.ticks), tuple(out.marks), tuple(out.gaps))
        bars += aggregator.process(decode(encode_packed(validated)))
    return sorted(bars, key=lambda b: (b.venue, b.symbol, b.interval, b.ts_open, b.revision))


@pytest.fixture(scope="module")
def undivided(calendar: MarketCalendar, simulated: list[Tick]) -> list[Bar]:
    """Bars of all of them in one message."""
    return bars_of(calendar, raw_of(calendar, simulated, []))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12, deadline=None)
@given(data=st.data())
def test_batches_partitions_and_restarts_change_no_bar(
    calendar: MarketCalendar, simulated: list[Tick], undivided: list[Bar], data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(simulated)), max_size=8))
    partitions = data.draw(st.integers(1, 4))
    raw = raw_of(calendar, simulated, cuts, partitions)
    restarts = data.draw(st.frozensets(st.integers(0, len(raw) - 1), max_size=5))
    assert bars_of(calendar, raw, restarts, decode_for_bars) == undivided


def test_every_fault_of_the_simulated_venue_is_caught(calendar: MarketCalendar) -> None:
    plan = parse_plan(
        "seed=11,rate=0.5,instruments=rb2505+m2505,faults=duplicate:4+time_back:4+volume_fall:4+crossed:4+missing:4+huge:4+stale:4+limit:4+gap:2"
    )
    venue = SimulatedVenue(plan, calendar)
    raw = raw_of(calendar, list(venue.ticks()), [])
    validator = ShardValidator(calendar, ValidationRules())
    outputs = [validator.process(packed, n, 0) for n, (_, packed) in enumerate(raw)]
    (counts,) = validator.stats().values()
    reasons = counts["rejected"]
    assert counts["stale"] == 4
    assert reasons["duplicate"] == 4
    assert reasons["time_reversed"] == 4
    assert reasons.get("volume_fell", 0) + reasons.get("volume_negative", 0) == 4
    assert reasons["book_crossed"] == 4
    assert reasons["missing_volume"] == 4
    assert reasons["huge_value"] == 4
    assert reasons["price_above_limit"] == 4
    assert sum(len(out.gaps) for out in outputs) == sum(f.fault == "gap" for f in venue.injected) == 2
    assert counts["accepted"] + sum(reasons.values()) == sum(len(p.ticks) for _, p in raw)


def test_the_same_seed_gives_the_same_market_and_another_seed_another(calendar: MarketCalendar) -> None:
    def first(seed: int) -> list[Tick]:
        return list(SimulatedVenue(parse_plan(f"seed={seed},rate=0.05,faults=all"), calendar).ticks())

    assert first(5) == first(5)
    assert first(5) != first(6)


def test_marks_stand_before_the_tick_that_passes_them(calendar: MarketCalendar) -> None:
    ticks = [
        tick(DAY + "09:00:50", 100, 1),
        tick(DAY + "09:01:02", 100, 2),
        tick(DAY + "09:01:03", 100, 3),
        tick(DAY + "09:05:10", 100, 4),
    ]
    ((_, packed),) = TickPacker(calendar, lambda _: 0, grace_s=3).feed(SourceBatch(ticks, ticks[-1].ts_recv, {}))
    assert [(mark.at, mark.ts_event) for mark in packed.marks] == [(2, at(DAY + "09:01:03")), (3, at(DAY + "09:05:03"))]


def test_rejections_beyond_a_few_are_summed_up_and_none_is_dropped(calendar: MarketCalendar) -> None:
    bad = [tick(at(DAY + "09:00:00") + n, 100, -1, seq=n) for n in range(50)]
    validator = ShardValidator(calendar, ValidationRules())
    out = validator.process(Packed(PACKED_VERSION, "x", 0, 0, tuple(bad)), 1, 0)
    single = [e for e in out.events if e.name == "InvalidDataDetected"]
    (summary,) = [e for e in out.events if e.name == "RejectionsSummarized"]
    assert len(single) + int(summary.data["ticks"] or 0) == 50
    assert len(single) == MAX_REJECTION_EVENTS
    assert len({e.event_id for e in out.events}) == len(out.events)
    data = single[0].data
    assert json.loads(str(data["findings"])) == [["volume_negative", "volume", "at_least", "0", "-1"]]
    row = json.loads(str(data["row"]))
    assert (row["symbol"], row["last"], row["volume"], row["source_seq"]) == ("rb2505", "100", "-1", "0")
    again = ShardValidator(calendar, ValidationRules()).process(Packed(PACKED_VERSION, "x", 0, 0, tuple(bad)), 1, 0)
    assert again.events == out.events


def test_a_message_behind_a_lost_one_is_left_for_its_gateway_to_send_again(calendar: MarketCalendar) -> None:
    validator = ShardValidator(calendar, ValidationRules())
    messages = [
        Packed(
            PACKED_VERSION,
            "x",
            0,
            0,
            (tick(at(DAY + "09:00:00") + n * 10**9, 100, n + 1, seq=n + 1),),
            session="s1",
            chain=n,
        )
        for n in range(4)
    ]
    taken = [len(validator.process(m, n, 0).ticks) for n, m in enumerate((messages[0], messages[2], messages[3]))]
    assert taken == [1, 0, 0]
    again = [m._replace(session="s2", chain=n) for n, m in enumerate(messages)]
    assert [len(validator.process(m, 9, 0).ticks) for m in again] == [0, 1, 1, 1]
    assert validator.stats()["test"]["accepted"] == 4


def test_an_offline_rebuild_equals_the_stages_run_apart(calendar: MarketCalendar) -> None:
    venue = SimulatedVenue(parse_plan("seed=3,rate=0.1,instruments=rb2505+AP505,faults=all"), calendar)
    result = asyncio.run(rebuild(venue.stream({}), calendar, bars=BARS, rules=ValidationRules()))
    apart = bars_of(calendar, raw_of(calendar, list(venue.ticks()), [100, 2000], partitions=3))
    last = {(b.venue, b.symbol, b.interval, b.ts_open): b for b in apart}
    strip = lambda bar: bar._replace(epoch=0, ts_pub=0)  # noqa: E731
    assert sorted(map(strip, result.bars)) == sorted(map(strip, last.values()))
    assert result.ticks_read == result.published + sum(result.rejected.values())
