"""The invariants of a tick stream, from both sides of each limit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks import validation as v
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Rejected
from marketprism_domain.ticks.stream import MAX_SOURCES, MarketDataStream
from marketprism_domain.values import BookLevel
from tests.fakes.ticks import at, book, tick

DAY = "2025-03-03 "
SERVICE = v.TickValidationService(ValidationRules())


def accept(
    stream: MarketDataStream, calendar: MarketCalendar, each: Tick, service: v.TickValidationService = SERVICE
) -> object:
    placed = calendar.schedule(each.venue, each.symbol).place(each.ts_event)
    return stream.accept(each, placed, service, 1, each.ts_recv)


def verdict(calendar: MarketCalendar, *ticks: Tick, service: v.TickValidationService = SERVICE) -> tuple[str, ...]:
    """Reasons of the last tick's rejection, or its warnings behind `ok`."""
    stream = MarketDataStream()
    for each in ticks:
        last = accept(stream, calendar, each, service)
    if isinstance(last, Rejected):
        return last.reasons
    assert isinstance(last, Tick)
    return ("ok", *last.warnings)


FIRST = tick(DAY + "09:00:01", 100, 10)


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (tick(DAY + "09:00:01", 100, 10, seq=2**62), (v.DUPLICATE,)),  # 1: the same instant, the same content
        (tick(DAY + "09:00:01", 100, 11, seq=2**62), ("ok",)),  # 1: the same instant, another snapshot
        (tick(DAY + "09:00:00.999", 100, 11, seq=2**62), (v.TIME_REVERSED,)),
        (tick(DAY + "09:00:01.001", 100, 10), ("ok",)),
        (tick(DAY + "09:00:02", 100, 9), (v.VOLUME_FELL, v.TURNOVER_FELL)),  # 4
        (tick(DAY + "09:00:02", 100, 10), ("ok",)),
        (tick(DAY + "09:00:02", 100, 11, turnover=Decimal(9_999)), (v.TURNOVER_FELL,)),
        (tick(DAY + "09:00:02", 100, -1), (v.VOLUME_NEGATIVE, v.VOLUME_FELL, v.TURNOVER_FELL)),
        (tick(DAY + "09:00:02", 100, None), (v.MISSING_VOLUME,)),
        (tick("2025-03-04 09:00:01", 100, 1, day="20250304"), ("ok",)),  # 4: a new trading day begins at nothing
        (tick(DAY + "09:00:02", "1e20", 11), (v.HUGE_VALUE,)),
        (tick(DAY + "09:00:02", None, 11), ("ok", v.MISSING_LAST)),
        (tick(DAY + "12:00:00", 100, 11), ("ok", v.OUT_OF_SESSION)),
    ],
)
def test_a_tick_after_another(calendar: MarketCalendar, second: Tick, expected: tuple[str, ...]) -> None:
    assert verdict(calendar, FIRST, second) == expected


@pytest.mark.parametrize(
    ("last", "expected"), [(110, "ok"), ("110.01", v.ABOVE_LIMIT), (90, "ok"), ("89.99", v.BELOW_LIMIT)]
)
def test_3_the_venues_own_limits(calendar: MarketCalendar, last: object, expected: str) -> None:
    limits = {"limit_up": Decimal(110), "limit_down": Decimal(90)}
    assert verdict(calendar, tick(DAY + "09:00:01", last, 10, **limits))[0] == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("symbol", "last", "expected"),
    [
        ("rb2505", 110, "ok"),
        ("rb2505", "110.01", v.OUTSIDE_BAND),
        ("rb2505", 90, "ok"),
        ("rb2505", "89.99", v.OUTSIDE_BAND),
        ("rb2505C3000", 130, "ok"),
        ("rb2505C3000", "130.01", v.OUTSIDE_BAND),
    ],
)
def test_3_the_configured_band_when_the_venue_sends_no_limits(
    calendar: MarketCalendar, symbol: str, last: object, expected: str
) -> None:
    assert (
        verdict(calendar, tick(DAY + "09:00:01", last, 10, symbol=symbol, pre_settlement=Decimal(100)))[0] == expected
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "sides", "expected"),
    [
        ("09:00:01", book(99, 100), ("ok",)),
        ("09:00:01", book(100, 100), (v.BOOK_CROSSED,)),
        ("09:00:01", book(101, 100), (v.BOOK_CROSSED,)),
        ("08:59:00", book(101, 100), ("ok", v.BOOK_CROSSED)),  # an auction may cross
    ],
)
def test_5_the_bid_is_below_the_ask_in_continuous_trading(
    calendar: MarketCalendar, when: str, sides: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert verdict(calendar, tick(DAY + when, 100, 10, **sides)) == expected


def test_5_levels_are_in_order(calendar: MarketCalendar) -> None:
    level = lambda price: BookLevel(Decimal(price), Decimal(1))  # noqa: E731
    good = {"bids": (level(99), level(98)), "asks": (level(100), level(101))}
    for wrong in (
        {"bids": (level(98), level(99))},
        {"bids": (level(99), level(99))},
        {"asks": (level(101), level(100))},
    ):
        assert verdict(calendar, tick(DAY + "09:00:01", 100, 10, **(good | wrong))) == (v.BOOK_ORDER,)
    negative = {"bids": (BookLevel(Decimal(99), Decimal(-1)),)}
    assert verdict(calendar, tick(DAY + "09:00:01", 100, 10, **(good | negative))) == (v.BOOK_QUANTITY,)


@pytest.mark.parametrize(("age_ms", "stale"), [(5_000, False), (5_001, True), (-5_000, False), (-5_001, True)])
def test_8_a_tick_far_from_the_receive_clock_is_stale(calendar: MarketCalendar, age_ms: int, stale: bool) -> None:
    when = at(DAY + "09:10:00")
    assert SERVICE.is_stale(tick(when, ts_recv=when + age_ms * 1_000_000)) is stale


def test_8_a_stale_tick_is_kept_and_moves_nothing(calendar: MarketCalendar) -> None:
    stream = MarketDataStream()
    early = tick(DAY + "09:30:00", 100, 999, seq=1, ts_recv=at(DAY + "09:00:00"))
    kept = accept(stream, calendar, early)
    assert isinstance(kept, Tick)
    assert (kept.verdict, kept.seq) == ("stale", 1)
    after = accept(stream, calendar, tick(DAY + "09:00:01", 100, 10, seq=2))
    assert isinstance(after, Tick)
    assert (after.verdict, after.seq) == ("valid", 2)


def test_8_each_venue_may_have_its_own_limit() -> None:
    service = v.TickValidationService(ValidationRules(stale_s_by_venue={"shfe": 60.0}))
    when = at(DAY + "09:10:00")
    assert not service.is_stale(tick(when, ts_recv=when + 59_000_000_000))
    assert service.is_stale(tick(when, ts_recv=when + 61_000_000_000))
    assert service.is_stale(tick(when, venue="dce", ts_recv=when + 6_000_000_000))


def test_zhengzhous_turnover_may_fall_with_its_rounded_average(calendar: MarketCalendar) -> None:
    one = tick(DAY + "09:00:01", 100, 10, venue="czce", symbol="AP505", turnover=Decimal(1_000))
    two = tick(DAY + "09:00:02", 100, 11, venue="czce", symbol="AP505", turnover=Decimal(990))
    assert verdict(calendar, one, two) == ("ok", v.TURNOVER_FELL)


def test_scores_lose_20_an_error_and_5_a_warning(calendar: MarketCalendar) -> None:
    stream = MarketDataStream()
    good = accept(stream, calendar, FIRST)
    warned = accept(stream, calendar, tick(DAY + "12:00:00", 100, 11))
    bad = accept(stream, calendar, tick(DAY + "13:30:00", 100, -1))
    assert isinstance(good, Tick) and isinstance(warned, Tick) and isinstance(bad, Rejected)  # noqa: PT018
    assert (good.quality_score, warned.quality_score, bad.score) == (100, 95, 40)


def test_each_place_of_a_source_is_taken_once_and_sequences_have_no_hole(calendar: MarketCalendar) -> None:
    stream = MarketDataStream()
    ticks = [tick(f"{DAY}09:00:{n:02}", 100, n + 1, seq=n + 1) for n in range(30)]
    taken = [accept(stream, calendar, each) for each in (*ticks[:20], *ticks[5:])]
    numbers = [a.seq for a in taken if isinstance(a, Tick)]
    assert numbers == list(range(1, 31))
    assert taken.count(None) == 15


def test_the_memory_of_sources_is_bounded(calendar: MarketCalendar) -> None:
    stream = MarketDataStream()
    for number in range(MAX_SOURCES + 10):
        accept(
            stream, calendar, tick(at(DAY + "09:00:00") + number, 100, number + 1, seq=1)._replace(source=f"s{number}")
        )
    assert len(stream.positions) == MAX_SOURCES


@pytest.mark.parametrize(
    "changes",
    [
        {"stale_s": 0},
        {"stale_s": "5"},
        {"nope": 1},
        {"z_low": 9},
        {"degraded_below": 99},
        {"stale_s_by_venue": {"shfe": -1}},
        {"version": 4},
    ],
)
def test_rules_change_as_a_whole_or_not_at_all(changes: dict[str, object]) -> None:
    rules = ValidationRules()
    with pytest.raises(InvalidValue, match="rules"):
        rules.changed(**changes)
    assert rules == ValidationRules()


def test_a_change_makes_the_next_version() -> None:
    changed = ValidationRules().changed(stale_s=9.0, jump_percent=1)
    assert (changed.version, changed.stale_s) == (2, 9.0)
    assert ValidationRules.from_dict(changed.to_dict()) == changed
    with pytest.raises(InvalidValue, match="was 'nope'"):
        ValidationRules.from_dict({"nope": 1})


def test_a_trade_counts_however_late_it_is_told_and_a_quote_of_long_ago_does_not(calendar: MarketCalendar) -> None:
    stream = MarketDataStream()
    now = at(DAY + "10:00:00")
    old = now - 600 * 10**9

    def crypto(ts: int, traded: int, seq: int) -> Tick:
        return tick(ts, 100, None, venue="binance", seq=seq, traded=Decimal(traded), ts_recv=now)

    accept(stream, calendar, crypto(now, 0, 1))
    late = accept(stream, calendar, crypto(old, 3, 2))
    assert isinstance(late, Tick)
    assert (late.verdict, late.warnings) == ("warned", (v.STALE,))
    quote = accept(stream, calendar, crypto(old, 0, 3))
    assert isinstance(quote, Tick)
    assert quote.verdict == "stale"
    ancient = accept(stream, calendar, crypto(1, 3, 4))
    assert isinstance(ancient, Tick)
    assert ancient.verdict == "stale"
    ahead = accept(stream, calendar, crypto(now + 60 * 10**9, 3, 5))
    assert isinstance(ahead, Tick)
    assert ahead.verdict == "stale"
