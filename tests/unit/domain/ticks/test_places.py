"""Places of a source: each once, holes that others fill, and what one tick shows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.memory import StreamMemory
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.stream import MAX_HOLES, MAX_SOURCES, MarketDataStream
from marketprism_domain.ticks.validation import TickValidationService
from tests.fakes.ticks import at, tick

RULES = ValidationRules()
S = 10**9


class Tape:
    """Trades of a source that numbers them."""

    def __init__(self, calendar: MarketCalendar) -> None:
        self.stream = MarketDataStream()
        self._schedule = calendar.schedule("binance", "BTC-USDT")
        self._service = TickValidationService(RULES)

    def take(self, *places: int, source: str = "one", traded: bool = True) -> list[bool]:
        """Which of them were taken."""
        taken = []
        for place in places:
            ts = at("2025-03-03 09:00:00") + place * S
            more: dict[str, Any] = {"traded": Decimal(1), "traded_turnover": Decimal(100)} if traded else {}
            each = tick(ts, 100, None if traded else place, venue="binance", symbol="BTC-USDT", seq=place, **more)
            each = each._replace(source=source)
            found = self.stream.accept(each, self._schedule.place(ts), self._service, 3, 70 + place)
            taken.append(isinstance(found, Tick))
        return taken


def test_a_place_that_was_left_out_is_filled_once(calendar: MarketCalendar) -> None:
    tape = Tape(calendar)
    assert tape.take(5, 5, 6, 4) == [True, False, True, False]
    assert not tape.stream.missing("one")
    assert tape.take(12) == [True]
    assert tape.stream.state.holes == {"one": [(7, 11)]}
    assert tape.stream.missing("one")
    assert tape.take(9, 9) == [True, False]
    assert tape.stream.state.holes == {"one": [(7, 8), (10, 11)]}
    assert tape.take(7, 11, 8, 10, 10) == [True, True, True, True, False]
    assert not tape.stream.missing("one")


def test_the_first_place_of_a_source_follows_nothing_and_the_next_one_leaves_nothing_out(
    calendar: MarketCalendar,
) -> None:
    tape = Tape(calendar)
    assert tape.take(0, 1) == [True, True]
    assert not tape.stream.missing("one")
    assert tape.take(3) == [True]
    assert tape.stream.state.holes == {"one": [(2, 2)]}
    from_zero = Tape(calendar)
    from_zero.take(0, 2)
    assert from_zero.stream.state.holes == {"one": [(1, 1)]}


def test_snapshots_leave_nothing_out(calendar: MarketCalendar) -> None:
    tape = Tape(calendar)
    tape.take(1, 9, traded=False)
    assert not tape.stream.missing("one")


def test_holes_and_sources_are_bounded_and_the_oldest_go(calendar: MarketCalendar) -> None:
    tape = Tape(calendar)
    tape.take(*range(1, 2 * (MAX_HOLES + 2), 2))
    holes = tape.stream.state.holes["one"]
    assert (len(holes), holes[0], MAX_HOLES, MAX_SOURCES) == (64, (4, 4), 64, 64)
    for number in range(MAX_SOURCES):
        tape.take(1, source=f"s{number}")
    assert (len(tape.stream.positions), "one" in tape.stream.positions, "s0" in tape.stream.positions) == (
        64,
        False,
        True,
    )


def test_numbers_go_on_behind_those_that_may_have_been_given_out(calendar: MarketCalendar) -> None:
    tape = Tape(calendar)
    tape.take(1)
    tape.stream.skip(100)
    tape.take(2)
    last = tape.stream.last
    assert last is not None
    assert (last.seq, last.epoch, last.ts_pub, last.source_seq) == (102, 3, 72, 2)
    assert tape.stream.follows(last._replace(source_seq=3))
    assert not tape.stream.follows(last._replace(source_seq=4))
    assert not tape.stream.follows(last._replace(source="other", source_seq=0))


def test_a_tick_shows_silence_or_what_is_unusual_or_the_quality_of_a_window_or_nothing(
    calendar: MarketCalendar,
) -> None:
    schedule = calendar.schedule("cffex", "IF2503")
    memory = StreamMemory("cffex.IF2503", schedule)
    service, clock = TickValidationService(RULES), VenueClock()

    def shown(second: float, price: float = 4_000) -> Any:
        ts = at("2025-03-03 09:30:00") + int(second * S)
        each = tick(ts, price, int(second * 10) + 1, venue="cffex", symbol="IF2503")
        found = memory.accept(each, clock, service, 1, 0)
        assert isinstance(found, Tick), found
        return memory.observe(found, RULES)

    assert shown(0) is None
    assert memory.placement.phase == "continuous"
    assert shown(1) is None
    jump = shown(2, 4_200)
    assert (jump.silence, [each.kind for each in jump.anomalies], jump.report, jump.change) == (
        None,
        ["price_jump"],
        None,
        None,
    )
    window = shown(60, 4_200)
    assert (window.silence, window.anomalies, window.report.ticks, window.report.score) == (None, (), 3, 100)
    silent = shown(121, 4_200)
    assert (silent.silence[2], silent.anomalies, silent.report.ticks) == ("silence", (), 1)
    assert shown(179.9, 4_200) is None
    assert memory.whole
