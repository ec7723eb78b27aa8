"""What a live source misses while nobody reads it: named from the log, whoever reads it next."""

from __future__ import annotations

import pytest

from marketprism_application.contracts.packed import PACKED_VERSION, Mark, Packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at, tick

DAY = "2025-03-03 "
NEXT = "2025-03-04 "


def message(
    *ticks: tuple[str, int], session: str, chain: int, resumed: str = "", marks: tuple[str, ...] = ()
) -> Packed:
    made = tuple(tick(when, 100, volume)._replace(source="ctp") for when, volume in ticks)
    return Packed(
        PACKED_VERSION,
        "ctp",
        1,
        0,
        made,
        tuple(Mark(len(made), at(mark), "shfe") for mark in marks),
        (),
        session,
        chain,
        (),
        at(resumed) if resumed else 0,
    )


def gaps_of(calendar: MarketCalendar, *messages: Packed, restart: bool = False) -> list[Gap]:
    validator = ShardValidator(calendar, ValidationRules())
    found: list[Gap] = []
    for number, packed in enumerate(messages):
        found += [gap for _, gap in validator.process(packed, number, 0).gaps if gap.cause != "joined"]
        if restart:
            state = validator.snapshot()
            validator = ShardValidator(calendar, ValidationRules())
            validator.restore(state)
    return found


@pytest.mark.parametrize("restart", [False, True])
def test_the_gap_of_a_takeover_runs_from_the_last_tick_to_the_next(calendar: MarketCalendar, *, restart: bool) -> None:
    (gap,) = gaps_of(
        calendar,
        message((DAY + "09:00:01", 1), (DAY + "09:00:02", 2), session="a", chain=0, resumed=DAY + "08:50:00"),
        message((DAY + "09:00:04", 5), session="b", chain=0, resumed=DAY + "09:00:03"),
        message((DAY + "09:00:05", 6), session="b", chain=1),
        restart=restart,
    )
    assert (gap.ts_from, gap.ts_to, gap.cause) == (at(DAY + "09:00:02"), at(DAY + "09:00:04"), "interrupted")


def test_a_login_that_brings_the_snapshot_we_have_shows_that_nothing_was_missed(calendar: MarketCalendar) -> None:
    assert not gaps_of(
        calendar,
        message((DAY + "09:00:01", 1), (DAY + "09:00:02", 2), session="a", chain=0, resumed=DAY + "08:50:00"),
        message((DAY + "09:00:02", 2), session="b", chain=0, resumed=DAY + "09:00:40"),
        message((DAY + "09:00:45", 5), session="b", chain=1),
    )


def test_a_source_that_is_read_again_from_its_beginning_misses_nothing(calendar: MarketCalendar) -> None:
    assert not gaps_of(
        calendar,
        message((DAY + "09:00:01", 1), session="a", chain=0),
        message((DAY + "09:00:04", 5), session="b", chain=0),
    )


@pytest.mark.parametrize(
    ("back", "first", "gap_from"),
    [
        ("13:29:00", "13:30:01", None),
        ("13:45:00", "13:45:01", "13:30:00"),
    ],
)
def test_a_change_of_gateways_in_a_break_is_no_gap_unless_it_lasts(
    calendar: MarketCalendar, back: str, first: str, gap_from: str | None
) -> None:
    gaps = gaps_of(
        calendar,
        message((DAY + "11:29:59", 1), session="a", chain=0, resumed=DAY + "08:50:00", marks=(DAY + "11:31:03",)),
        message((DAY + first, 5), session="b", chain=0, resumed=DAY + back),
    )
    found = [gap.ts_from for gap in gaps if gap.cause == "interrupted"]
    assert found == ([] if gap_from is None else [at(DAY + gap_from)])


def test_a_second_interruption_counts_where_nothing_came_since_the_first(calendar: MarketCalendar) -> None:
    gaps = gaps_of(
        calendar,
        message((DAY + "11:29:59", 1), session="a", chain=0, resumed=DAY + "08:50:00", marks=(DAY + "11:31:03",)),
        message(session="b", chain=0, resumed=DAY + "12:00:00", marks=(DAY + "12:30:03",)),
        message((DAY + "13:35:40", 5), session="c", chain=0, resumed=DAY + "13:35:00"),
    )
    found = [(gap.ts_from, gap.ts_to) for gap in gaps if gap.cause == "interrupted"]
    assert found == [(at(DAY + "13:30:00"), at(DAY + "13:35:40"))]


@pytest.mark.parametrize("back", ["10:14:00", "10:16:00", "10:31:00"])
def test_a_gap_is_named_although_marks_came_before_the_first_tick(calendar: MarketCalendar, back: str) -> None:
    """Whoever takes over follows venues that say nothing yet, and closes bars of theirs by the clock."""
    sent: list[Packed] = []
    for session, clocks, ticks in (
        ("a", (), [tick(DAY + when, 100, volume) for when, volume in (("10:13:01", 1), ("10:13:20", 2))]),
        ("b", range(at(DAY + back), at(DAY + "10:33:00"), 10**9), [tick(DAY + "10:33:01", 101, 5)]),
    ):
        packer = TickPacker(calendar, lambda _: 0)
        packer.follow("ctp", [("shfe", ticks[0].symbol)])
        batches = [SourceBatch((), clock, {}) for clock in clocks]
        batches.append(SourceBatch([each._replace(source="ctp") for each in ticks], ticks[-1].ts_recv, {}))
        packed = [each for batch in batches for _, each in packer.feed(batch)]
        assert bool(packed[0].ticks) == (session == "a")
        begun = at(DAY + ("08:50:00" if session == "a" else back))
        for chain, each in enumerate(packed):
            sent.append(each._replace(session=session, chain=chain, resumed=0 if chain else begun))
    gaps = [(gap.ts_from, gap.ts_to) for gap in gaps_of(calendar, *sent) if gap.cause == "interrupted"]
    assert gaps == [(at(DAY + "10:13:20"), at(DAY + "10:33:01"))]


def test_two_gateways_write_one_partition_and_neither_is_taken_for_the_other(calendar: MarketCalendar) -> None:
    validator = ShardValidator(calendar, ValidationRules())
    other = message((DAY + "09:00:01", 1), session="s", chain=0)
    other = other._replace(source="sopt", ticks=tuple(t._replace(source="sopt", symbol="hc2505") for t in other.ticks))
    told = [
        message((DAY + "09:00:01", 1), session="a", chain=0, resumed=DAY + "08:50:00"),
        other,
        message((DAY + "09:00:02", 2), session="a", chain=1),
        other._replace(
            chain=1, ticks=tuple(t._replace(ts_event=t.ts_event + 10**9, source_seq=2) for t in other.ticks)
        ),
    ]
    taken = [len(validator.process(packed, number, 0).ticks) for number, packed in enumerate(told)]
    assert sum(taken) >= 3
    assert validator.memory.out_of_chain == 0
    assert validator.process(message((DAY + "09:00:09", 9), session="a", chain=3), 9, 0).ticks == []
    assert validator.memory.out_of_chain == 1
