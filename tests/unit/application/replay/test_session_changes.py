"""A venue's word about its sessions goes through the log: the same bars however it is cut, restarted or partitioned."""

from __future__ import annotations

import itertools

import pytest

from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, decode_packed, encode_packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.replay.rebuild import rebuild
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at, tick

EVE = "2025-03-03 "
LATE = SessionChange("shfe", "rb", "20250304", at(EVE + "22:30:00"), at(EVE + "23:00:00"))
NIGHT = SessionChange("shfe", "wr", "20250304", at(EVE + "21:00:00"), at(EVE + "23:00:00"))
BARS = BarSettings(("1m", "30m", "1d"))


def late_night() -> list[Tick]:
    """The auction's match just before half past ten, then a tick every twenty seconds; the next morning as well."""
    times = [at(EVE + "22:29:30")]
    times += [at(EVE + "22:30:05") + n * 20_000_000_000 for n in range(85)]
    times += [at("2025-03-04 09:00:05") + n * 20_000_000_000 for n in range(12)]
    return [tick(ts, 100 + n % 3, 500 + n, day="20250304") for n, ts in enumerate(times)]


def run(calendar: MarketCalendar, batches: list[SourceBatch], *, restarts: bool) -> list[Bar]:
    packer = TickPacker(calendar, lambda _: 0)
    validator, aggregator = ShardValidator(calendar, ValidationRules()), ShardAggregator(calendar, BARS)
    bars: list[Bar] = []
    for number, (_, packed) in enumerate(made for batch in batches for made in packer.feed(batch)):
        out = validator.process(decode_packed(encode_packed(packed)), number, 0)
        validated = Packed(
            PACKED_VERSION,
            packed.source,
            0,
            0,
            tuple(out.ticks),
            tuple(out.marks),
            tuple(out.gaps),
            changes=tuple(out.changes),
        )
        bars += aggregator.process(decode_packed(encode_packed(validated)))
        if restarts:
            states = validator.snapshot(), aggregator.snapshot()
            validator, aggregator = ShardValidator(calendar, ValidationRules()), ShardAggregator(calendar, BARS)
            validator.restore(states[0])
            aggregator.restore(states[1])
    return bars


def batches_of(ticks: list[Tick], change: SessionChange, at_index: int, size: int) -> list[SourceBatch]:
    made = []
    for start in range(0, len(ticks), size):
        part = ticks[start : start + size]
        changes = [(at_index - start, change)] if start <= at_index < start + size else []
        made.append(SourceBatch(part, part[-1].ts_recv, {}, changes=changes))
    return [*made, SourceBatch([], ticks[-1].ts_recv + 61 * 10**9, {}, finished=True)]


@pytest.mark.parametrize(("size", "restarts"), [(1_000, False), (1, False), (7, True), (1, True)])
def test_a_late_opening_counts_its_session_minutes_from_there(
    calendar: MarketCalendar, size: int, restarts: bool
) -> None:
    bars = run(calendar, batches_of(late_night(), LATE, 1, size), restarts=restarts)
    minutes = [bar for bar in bars if bar.interval == "1m"]
    assert minutes[0].ts_open == at(EVE + "22:30:00")
    assert minutes[0].volume == 503, "the auction's lots are in the first minute"
    assert all(before.ts_open < after.ts_open for before, after in itertools.pairwise(minutes))
    (half,) = (bar for bar in bars if bar.interval == "30m" and bar.ts_close <= at(EVE + "23:00:00"))
    assert (half.ts_open, half.ts_close) == (at(EVE + "22:30:00"), at(EVE + "23:00:00"))
    assert half.volume == sum(bar.volume for bar in minutes if bar.ts_close <= at(EVE + "23:00:00"))


def test_without_the_venues_word_the_table_stands(calendar: MarketCalendar) -> None:
    ticks = late_night()
    bars = run(calendar, [SourceBatch(ticks, ticks[-1].ts_recv + 61 * 10**9, {}, finished=True)], restarts=False)
    assert bars[0].ts_open == at(EVE + "22:29:00")


async def test_a_night_that_no_table_has_makes_bars_live_and_rebuilt(calendar: MarketCalendar) -> None:
    times = [at(EVE + "21:00:05") + n * 20_000_000_000 for n in range(30)]
    ticks = [tick(ts, 100 + n % 3, 500 + n, day="20250304", symbol="wr2505") for n, ts in enumerate(times)]
    batches = batches_of(ticks, NIGHT, 0, 10)
    live = run(calendar, batches, restarts=True)
    assert [bar.ts_open for bar in live][:2] == [at(EVE + "21:00:00"), at(EVE + "21:01:00")]
    assert {bar.trading_day for bar in live} == {"20250304"}

    async def again():  # type: ignore[no-untyped-def]
        for batch in batches:
            yield batch

    rebuilt = await rebuild(again(), calendar, bars=BARS, rules=ValidationRules())
    latest = {(bar.interval, bar.ts_open): bar for bar in live}
    assert {(bar.interval, bar.ts_open): bar.volume for bar in rebuilt.bars} == {
        key: bar.volume for key, bar in latest.items()
    }
    assert not run(calendar, [batch._replace(changes=()) for batch in batches], restarts=False)


def test_an_instrument_that_comes_later_hears_what_was_said_before_it(calendar: MarketCalendar) -> None:
    packer = TickPacker(calendar, lambda key: int(key[-1]))
    first = packer.feed(SourceBatch([tick(EVE + "22:30:05", 100, 5, day="20250304")], 0, {}, changes=[(0, LATE)]))
    later = packer.feed(SourceBatch([tick(EVE + "22:30:06", 100, 5, day="20250304", symbol="rb2501")], 0, {}))
    other = packer.feed(SourceBatch([tick(EVE + "22:30:07", 100, 5, day="20250304", symbol="hc2502")], 0, {}))
    assert [(p, [c for _, c in m.changes]) for p, m in first + later + other] == [(5, [LATE]), (1, [LATE]), (2, [])]
