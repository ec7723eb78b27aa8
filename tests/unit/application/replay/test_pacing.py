"""What is only read over is not waited for: the pace begins with what is fresh."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_adapters.synthetic.plan import parse_plan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_application.replay.pace import Pacer, paced_batches
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import tick

SECOND = 1_000_000_000


async def test_a_takeover_reads_over_what_is_known_and_hands_on_the_next_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = [
        tick(seq * SECOND + 1)._replace(source="s", source_seq=seq, ts_recv=seq * SECOND + 1) for seq in range(1, 41)
    ]
    pacer = Pacer(1.0, lambda: 0)
    pacer.read_over({"s": 30})
    waited: list[float] = []

    async def slept(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", slept)
    found = [[each.source_seq for each in batch] async for batch in paced_batches(iter(ticks), {}, pacer, 500)]
    assert found[0] == list(range(1, 32)), "everything known and the first that is fresh come without a pause"
    assert len(waited) == 9
    assert waited[0] == pytest.approx(1.0)


def test_what_is_known_later_is_passed_over_from_then_on() -> None:
    now_ns = [0]
    pacer = Pacer(1.0, lambda: now_ns[0])
    pacer.read_over({"s": 1})
    assert pacer.reads_over("s", 1)
    assert [pacer.wait_s(2 * SECOND), pacer.wait_s(3 * SECOND)] == [0.0, 1.0]
    pacer.read_over({"s": 9})
    assert [pacer.reads_over("s", seq) for seq in (4, 9, 10)] == [True, True, False]
    assert pacer.wait_s(10 * SECOND) == 0.0, "the first that is fresh is due at once"
    assert pacer.wait_s(12 * SECOND) == 2.0


async def test_a_source_with_a_speed_hands_on_what_is_known_without_waiting(calendar: MarketCalendar) -> None:
    """The first seconds of a slow replay would take minutes."""
    plan = parse_plan("seed=7,days=1,instruments=rb2505")
    source = SimulatedVenue(plan, calendar, speed=0.01)
    source.read_over({source.source: 200})
    seen = 0
    async with asyncio.timeout(30):
        async for batch in source.stream({}):
            seen += len(batch.ticks)
            if seen > 200:
                break
    assert seen == 201
