"""Whatever pages a venue sends, a range ends with all its rows and the holes that the venue has, in bounded requests."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_adapters.venues.kit.history_rows import Gathered
from marketprism_adapters.venues.live.history_pages import TRIES, fill_grid, fill_ids
from marketprism_application.contracts.kinds import KLINE, TRADE
from marketprism_application.contracts.venue_messages import KlineMessage, Message, TradeMessage
from marketprism_application.downloads.planning import Grid
from marketprism_application.errors import SourceError
from marketprism_application.ports.history import Hole

MINUTE = 60_000_000_000
BEGIN = 1_704_067_200_000_000_000


def bar(at: int, close: str = "1") -> KlineMessage:
    """The bar of a minute."""
    ts = BEGIN + at * MINUTE
    return KlineMessage(1, "v", "s", "x", 0, at, ts, 0, 0, "1m", ts, ts + MINUTE, "1", "1", "1", close, "1", True)


def trade(number: int) -> TradeMessage:
    """Trade number n, a second after the one before."""
    ts = BEGIN + number * 1_000_000_000
    return TradeMessage(1, "v", "s", "x", 0, number, ts, 0, 0, str(number), "1", "1", "buy")


class Faulty:
    """A venue whose pages are cut, empty, doubled, in disorder or of another question, each question so twice at most."""

    def __init__(self, seed: int, page: int, lacking: set[int], *, newest_first: bool) -> None:
        self._chance = random.Random(seed)
        self._page, self._lacking, self._newest_first = page, lacking, newest_first
        self._times: Counter[tuple[int, int]] = Counter()
        self._before: Sequence[Message] = ()
        self.asked = 0

    def _answer(self, question: tuple[int, int], rows: list[Message]) -> Sequence[Message]:
        self.asked += 1
        rows = rows[::-1][: self._page] if self._newest_first else rows[: self._page]
        before, self._before = self._before, rows
        if self._times[question] >= TRIES - 1 or self._chance.random() < 0.5:
            return rows
        self._times[question] += 1
        fault = self._chance.choice(("half", "tail", "empty", "twice", "shuffled", "before"))
        if fault == "before":
            return before
        if fault == "shuffled":
            return self._chance.sample(rows, len(rows))
        made = {"half": rows[: len(rows) // 2], "tail": rows[len(rows) // 2 :], "empty": [], "twice": rows + rows}
        return made[fault]

    async def bars(self, ts_from: int, ts_to: int) -> Sequence[Message]:
        """Bars of [ts_from, ts_to)."""
        first, last = (ts_from - BEGIN) // MINUTE, (ts_to - BEGIN) // MINUTE
        return self._answer((first, last), [bar(at) for at in range(first, last) if at not in self._lacking])

    async def trades(self, first: int, last: int) -> Sequence[Message]:
        """Trades of these numbers; there are 5000."""
        numbers = [number for number in range(max(1, first), min(last, 5_000) + 1) if number not in self._lacking]
        return self._answer((first, last), [trade(number) for number in numbers])


@given(
    seed=st.integers(0, 2**32),
    page=st.integers(1, 60),
    length=st.integers(1, 200),
    lacking=st.sets(st.integers(0, 199), max_size=40),
    newest_first=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_bars_are_complete_but_for_the_holes_of_the_venue(
    seed: int, page: int, length: int, lacking: set[int], newest_first: bool
) -> None:
    venue = Faulty(seed, page, lacking, newest_first=newest_first)
    found = Gathered(KLINE, "x", BEGIN, BEGIN + length * MINUTE)
    holes = asyncio.run(fill_grid(found, Grid.of("1m"), page, venue.bars))
    there = [(ts - BEGIN) // MINUTE for ts in found.table().column("ts_open").to_pylist()]
    assert there == [at for at in range(length) if at not in lacking]
    missing = {(ts - BEGIN) // MINUTE for hole in holes for ts in range(hole.ts_from, hole.ts_to, MINUTE)}
    assert missing == {at for at in range(length) if at in lacking}
    assert venue.asked <= (TRIES + 1) * (length + 1)


@given(
    seed=st.integers(0, 2**32),
    page=st.integers(2, 60),
    first=st.integers(100, 300),
    length=st.integers(1, 300),
    hole=st.sets(st.integers(150, 400), max_size=5),
    newest_first=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_trades_are_complete_but_for_the_numbers_that_the_venue_lacks(
    seed: int, page: int, first: int, length: int, hole: set[int], newest_first: bool
) -> None:
    venue = Faulty(seed, page, hole, newest_first=newest_first)
    found = Gathered(TRADE, "x", trade(first).ts_event, trade(first + length).ts_event)

    async def by_time() -> Sequence[Message]:
        begin = first if not newest_first else max(1, first + length - page)
        return await venue.trades(begin, first + length - 1 if newest_first else begin + page - 1)

    asyncio.run(fill_ids(found, page, by_time, venue.trades, newest_first=newest_first))
    there = found.table().column("seq").to_pylist()
    expected = [number for number in range(first, first + length) if number not in hole]
    # At an end of the range, a number that the venue lacks may be the end of what it has.
    assert there == [number for number in expected if not there or there[0] <= number <= there[-1]]
    if not hole:
        assert there == expected


async def test_a_row_that_is_another_one_each_time_is_named() -> None:
    closes = iter(range(100))

    async def ask(ts_from: int, ts_to: int) -> Sequence[Message]:
        return [bar(0, str(next(closes))), bar(0, str(next(closes)))]

    with pytest.raises(SourceError, match=r"kline .*: expected one row, the answers of the venue differ each time"):
        await fill_grid(Gathered(KLINE, "x", BEGIN, BEGIN + MINUTE), Grid.of("1m"), 10, ask)


async def test_a_row_that_comes_again_is_counted_and_stored_once() -> None:
    async def ask(ts_from: int, ts_to: int) -> Sequence[Message]:
        return [bar(0), bar(0), bar(1)]

    found = Gathered(KLINE, "x", BEGIN, BEGIN + 2 * MINUTE)
    assert await fill_grid(found, Grid.of("1m"), 10, ask) == []
    assert (found.table().num_rows, found.repeated) == (2, 1)


async def test_a_range_without_any_row_is_one_hole() -> None:
    async def ask(ts_from: int, ts_to: int) -> Sequence[Message]:
        return []

    found = Gathered(KLINE, "x", BEGIN, BEGIN + 30 * MINUTE)
    assert await fill_grid(found, Grid.of("1m"), 10, ask) == [Hole(BEGIN, BEGIN + 30 * MINUTE)]
