"""Sessions of gateways in the raw log: none is dropped for good, whatever is missing is named and counted."""

from __future__ import annotations

import msgspec
import pytest

from marketprism_application.contracts.packed import PACKED_VERSION, Packed
from marketprism_application.validation.gateway_sessions import HOLD_MESSAGES, HOLD_NS, KEEP, LIVING_NS, GatewaySessions
from marketprism_application.validation.message_pass import ValidationOutput
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at, tick

SECOND = 10**9
START = at("2018-10-08 09:00:00")  # the first day after a holiday has no night


def message(
    place: int, *, session: str, chain: int, source: str = "a", symbol: str = "rb2505", stamp: int | None = None
) -> Packed:
    """One tick, the `place`-th of its source, a tenth of a second after the one before."""
    ts = START + place * SECOND // 10
    made = tick(ts, 3_000 + place % 5, place + 1, symbol=symbol, seq=place, day="20181008")._replace(source=source)
    when = ts if stamp is None else stamp
    return Packed(PACKED_VERSION, source, 1, when, (made,), (), (), session=session, chain=chain)


def validator(calendar: MarketCalendar, **sessions: int) -> ShardValidator:
    return ShardValidator(calendar, ValidationRules(), 1, "0", GatewaySessions(**sessions))


def gaps_of(outputs: list[ValidationOutput]) -> list[Gap]:
    return [gap for out in outputs for _, gap in out.gaps]


def test_a_flapping_gateway_does_not_throw_a_healthy_one_out(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    first = [shard.process(message(n, session="healthy", chain=n), n, 0) for n in range(100)]
    for n in range(3 * KEEP):
        shard.process(Packed(PACKED_VERSION, "other", 1, 0, (), session=f"flap-{n}", chain=0), 1_000 + n, 0)
    second = [shard.process(message(n, session="healthy", chain=n), 2_000 + n, 0) for n in range(100, 400)]
    assert sum(len(out.ticks) for out in first) == 100
    assert sum(len(out.ticks) for out in second) == 300
    assert not gaps_of(first + second)
    assert shard.memory.out_of_chain == 0


def test_a_log_without_its_beginning_is_joined_with_a_named_gap(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    outputs = [shard.process(message(n, session="s", chain=n), n, 0) for n in range(50, 400)]
    assert sum(len(out.ticks) for out in outputs) == 350
    (gap,) = gaps_of(outputs)
    assert (gap.cause, gap.ts_from, gap.ts_to) == ("truncated", START, START + 5 * SECOND)
    assert [event.name for event in outputs[0].events if event.name == "SessionJoined"] == ["SessionJoined"]
    assert shard.memory.joined == 1


def test_a_log_that_was_cut_while_nobody_read_is_joined_and_each_instrument_has_its_bounds(
    calendar: MarketCalendar,
) -> None:
    shard = validator(calendar)
    for n in range(10):
        shard.process(message(n, session="s", chain=2 * n), n, 0)
        shard.process(message(n, session="s", chain=2 * n + 1, source="b", symbol="hc2505"), n, 0)
    shard.truncated()
    outputs = [shard.process(message(n, session="s", chain=n + 30), n, 0) for n in range(40, 90)]
    outputs += [shard.process(message(90, session="s", chain=120, source="b", symbol="hc2505"), n, 0) for n in (200,)]
    assert sum(len(out.ticks) for out in outputs) == 51
    bounds = {
        gap.symbol: (gap.cause, (gap.ts_from - START) / SECOND, (gap.ts_to - START) / SECOND)
        for gap in gaps_of(outputs)
    }
    assert bounds == {"rb2505": ("truncated", 0.9, 4.0), "hc2505": ("truncated", 0.9, 9.0)}


def test_a_cut_that_took_nothing_of_the_partition_names_nothing(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    outputs = []
    for n in range(100):
        if n in (30, 60):
            shard.truncated()
        outputs.append(shard.process(message(2 * n, session="s", chain=n), n, 0))
    assert sum(len(out.ticks) for out in outputs) == 100
    assert not gaps_of(outputs)


def test_a_new_session_behind_a_cut_is_whole_where_places_follow_and_named_where_not(calendar: MarketCalendar) -> None:
    for first, named in ((10, 0), (11, 1)):
        shard = validator(calendar)
        for n in range(10):
            shard.process(message(n, session="s", chain=n), n, 0)
        shard.truncated()
        outputs = [shard.process(message(first + n, session="t", chain=n), 50 + n, 0) for n in range(20)]
        assert sum(len(out.ticks) for out in outputs) == 20
        assert [gap.cause for gap in gaps_of(outputs)] == ["truncated"] * named


def test_what_is_behind_a_lost_message_is_taken_once_it_is_sent_again(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    held = [shard.process(message(n, session="s", chain=n), n, 0) for n in (0, 2, 3)]
    again = [shard.process(message(n, session="t", chain=n), 10 + n, 0) for n in range(6)]
    assert [len(out.ticks) for out in held] == [1, 0, 0]
    assert [len(out.ticks) for out in again] == [0, 1, 1, 1, 1, 1]
    assert not gaps_of(held + again)
    counts = shard.stats()["a"]
    assert (counts["accepted"], counts["redelivered"], counts["out_of_chain"]) == (6, 1, 2)
    assert [e.name for out in held for e in out.events] == ["MessagesOutOfChain"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_gateway_that_goes_on_behind_a_lost_message_is_joined_after_a_while(
    calendar: MarketCalendar, *, restart: bool
) -> None:
    shard = validator(calendar)
    outputs = []
    for n in range(1_000):
        if n == 100:
            continue
        if restart and n % 97 == 0:
            state = shard.snapshot()
            shard = validator(calendar)
            shard.restore(state)
        outputs.append(shard.process(message(n, session="s", chain=n), n, 0))
    taken = [tick.source_seq for out in outputs for tick in out.ticks]
    held = HOLD_NS // (SECOND // 10)
    assert taken == [*range(100), *range(101 + held, 1_000)]
    (gap,) = gaps_of(outputs)
    assert (gap.ts_from, gap.ts_to) == (START + 99 * SECOND // 10, START + (101 + held) * SECOND // 10)
    assert shard.stats()["a"]["out_of_chain"] == held


def test_a_gateway_whose_clock_stands_still_is_joined_after_so_many_messages(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    empty = Packed(PACKED_VERSION, "a", 1, START, (), session="s", chain=0)
    shard.process(empty, 0, 0)
    for n in range(HOLD_MESSAGES):
        shard.process(empty._replace(chain=n + 2), n, 0)
    out = shard.process(message(1, session="s", chain=HOLD_MESSAGES + 2, stamp=START), 1, 0)
    assert len(out.ticks) == 1


def test_a_message_that_comes_twice_is_counted_as_redelivered(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    for n in (0, 1, 1, 2, 0):
        shard.process(message(n, session="s", chain=n), n, 0)
    assert shard.stats()["a"]["redelivered"] == 2
    assert shard.stats()["a"]["out_of_chain"] == 0


def test_a_session_is_forgotten_by_its_last_use_and_only_after_an_hour(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    hours = 2 * LIVING_NS // (KEEP * SECOND)
    for n in range(2 * KEEP):
        shard.process(message(n, session="used", chain=n, stamp=START + n * hours * SECOND), n, 0)
        other = Packed(PACKED_VERSION, "b", 1, START + n * hours * SECOND, (), session=f"flap-{n}", chain=0)
        shard.process(other, n, 0)
    assert len(shard.memory.sessions) < 2 * KEEP
    assert shard.stats()["a"]["accepted"] == 2 * KEEP


def test_the_table_has_a_bound_and_whoever_was_forgotten_goes_on_with_a_gap(calendar: MarketCalendar) -> None:
    shard = validator(calendar, keep=4, most=8)
    for n in range(3):
        shard.process(message(n, session="s", chain=n, stamp=START), n, 0)
    for n in range(20):
        shard.process(Packed(PACKED_VERSION, "b", 1, START, (), session=f"flap-{n}", chain=0), n, 0)
    assert len(shard.memory.sessions) == 8
    outputs = [shard.process(message(n, session="s", chain=n), n, 0) for n in range(3, 10)]
    assert sum(len(out.ticks) for out in outputs) == 7
    assert not gaps_of(outputs)  # the place follows the last one: nothing is missing


def test_numbers_of_ticks_whose_memory_is_gone_are_not_given_again(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    (before,) = shard.process(message(0, session="s", chain=0), 0, 0).ticks
    shard.truncated(3)
    (after,) = shard.process(message(9, session="s", chain=9), 9, 0).ticks
    assert after.seq > before.seq + 3 * 100


def test_a_snapshot_of_the_older_form_is_restored(calendar: MarketCalendar) -> None:
    shard = validator(calendar)
    for n in range(5):
        shard.process(message(n, session="s", chain=n), n, 0)
    fields = list(msgspec.msgpack.decode(shard.snapshot()))
    older = [
        *fields[:2],
        [stream[:8] for stream in fields[2]],
        {"a": {"accepted": 5, "stale": 0, "redelivered": 0, "rejected": {}}},
        *fields[4:6],
    ]
    again = validator(calendar)
    again.restore(msgspec.msgpack.encode(older))
    assert len(again.process(message(5, session="s", chain=5), 5, 0).ticks) == 1
    again.process(message(9, session="s", chain=9), 9, 0)
    assert again.stats()["a"] == {"accepted": 6, "stale": 0, "redelivered": 0, "rejected": {}, "out_of_chain": 1}
