"""Rows in time order: what waits, and that waiting costs the same however many instruments there are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from marketprism_adapters.counters.recordings.time_order import InOrder, OutOfOrder
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import NANOS_PER_SECOND
from tests.fakes.ticks import at, tick

START = at("2025-03-03 09:00:00")


class Searching(InOrder):
    """The same by looking through all that is ahead for each tick."""

    def _settled(self) -> Iterator[Tick | OutOfOrder]:
        open_ends = {each.source_seq for each, _ in self._ahead.values()}
        while self._waiting and self._waiting[0].source_seq not in open_ends:
            first = self._waiting.popleft()
            yield self._wrong.pop(first.source_seq, first)


def ticks(rows: Iterable[tuple[int, int]]) -> list[Tick]:
    """Of (instrument, seconds after the start)."""
    return [
        tick(START + seconds * NANOS_PER_SECOND, symbol=f"rb{instrument}", seq=number)
        for number, (instrument, seconds) in enumerate(rows)
    ]


def through(order: InOrder, given_ticks: list[Tick]) -> list[list[Tick | OutOfOrder]]:
    """What comes back for each tick, and at the end."""
    return [*(list(order.take(each)) for each in given_ticks), list(order.rest())]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 600)), max_size=60),
    st.sets(st.integers(0, 600), max_size=20),
    st.sampled_from((3, 10_000)),
)
def test_the_same_ticks_come_back_at_the_same_time(rows: list[tuple[int, int]], outside: set[int], most: int) -> None:
    def in_session(each: Tick) -> bool:
        return (each.ts_event - START) // NANOS_PER_SECOND not in outside

    made = ticks(rows)
    assert through(InOrder(in_session, most), made) == through(Searching(in_session, most), made)


def test_many_quiet_instruments_cost_no_more_a_tick_than_few() -> None:
    def cpu_s(instruments: int) -> float:
        made = ticks((number % instruments, number // instruments * 61) for number in range(8_000))
        order = InOrder(lambda _: True)
        started = time.process_time()
        for each in made:
            for _ in order.take(each):
                pass
        return time.process_time() - started

    cpu_s(10)
    assert cpu_s(2_000) < 15 * max(cpu_s(10), 0.01)
