"""What is estimated of a stream, number by number: its clock, its silence, what is unusual, its quality."""

from __future__ import annotations

import math

import pytest

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.anomalies import AnomalyDetectionService
from marketprism_domain.ticks.clocks import AGREES_NS, VenueClock
from marketprism_domain.ticks.gaps import SilenceDetector
from marketprism_domain.ticks.quality import DataQualityMonitor
from marketprism_domain.ticks.quality_windows import QualityMetrics, change_of, report_of
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import AnomalyState, ClockState, anomaly
from tests.fakes.ticks import at, book, tick

RULES = ValidationRules()
DAY = "2025-03-03 "
S = 10**9


# -- the clock


def test_an_offset_is_the_median_of_samples_a_second_apart() -> None:
    clock = VenueClock()
    for second, age in enumerate((3, 1, 2)):
        assert clock.hears("a", 1_000 * S + 2 * second * S, 1_000 * S + 2 * second * S + age * S // 10)
    assert (clock.offset_ns, clock.settled) == (2 * S // 10, False)
    assert clock.hears("a", 1_005 * S, 1_005 * S + S // 2)
    assert clock.hears("a", 1_005 * S + 1, 1_005 * S + S)  # half a second later: no sample
    assert sorted(clock.state.samples) == [S // 10, 2 * S // 10, 3 * S // 10, S // 2]
    assert clock.hears("a", 1_007 * S, 1_007 * S)
    assert clock.settled
    assert clock.state.ts_recv == 1_007 * S


def test_samples_are_bounded_and_the_oldest_goes() -> None:
    clock = VenueClock()
    for second in range(40):
        clock.hears("a", 1_000 * S + second * S, 1_000 * S + second * S + second)
    assert clock.state.samples == list(range(7, 40))
    assert clock.offset_ns == 23


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_five_seconds_off_agrees_and_no_more(sign: int) -> None:
    assert VenueClock().hears("a", 1_000 * S, 1_000 * S + sign * AGREES_NS)
    assert not VenueClock().hears("a", 1_000 * S, 1_000 * S + sign * (AGREES_NS + 1))


def test_a_small_offset_is_the_age_of_what_comes() -> None:
    half = AGREES_NS // 2
    for offset, correction in ((half, 0), (half + 1, half + 1), (-half, 0), (-half - 1, -half - 1)):
        assert VenueClock(ClockState(offset_ns=offset)).correction_ns == correction


def test_a_new_offset_is_believed_after_two_ticks_that_moved_on_together() -> None:
    clock = VenueClock(ClockState(samples=[0] * 5, ts_sample=999 * S, ts_recv=999 * S))
    ahead = [(1_000 * S + n * S, 1_060 * S + n * S) for n in range(4)]
    until = VenueClock(ClockState(samples=[0] * 5, ts_sample=999 * S, ts_recv=999 * S))
    assert [until.hears("a", *times) for times in ahead[:3]] == [False, False, True]
    assert (until.state.moves, until.state.odd, until.state.samples) == (0, {}, [60 * S])
    assert [clock.hears("a", *times) for times in ahead] == [False, False, True, True]
    assert clock.offset_ns == 60 * S
    assert (clock.state.samples, clock.state.moves, clock.state.odd) == ([60 * S, 60 * S], 0, {})


def test_ticks_that_do_not_move_on_or_do_not_keep_their_distance_move_no_clock() -> None:
    stands = VenueClock(ClockState(samples=[0] * 5, ts_sample=999 * S, ts_recv=999 * S))
    assert not any(stands.hears("a", 1_000 * S, 1_060 * S) for _ in range(6))
    spread = VenueClock(ClockState(samples=[0] * 5, ts_sample=999 * S, ts_recv=999 * S))
    assert not any(spread.hears("a", 1_000 * S + n, 1_060 * S + n * (AGREES_NS + 1) + n) for n in range(6))
    others = VenueClock(ClockState(samples=[0] * 5, ts_sample=999 * S, ts_recv=999 * S))
    assert not any(others.hears(f"s{n}", 1_000 * S + n * S, 1_060 * S + n * S) for n in range(6))


def test_a_distance_is_kept_where_it_moves_by_five_seconds_and_no_more() -> None:
    for more, believed in ((0, True), (1, False)):
        clock = VenueClock(ClockState(samples=[0] * 5, ts_sample=999 * S, ts_recv=999 * S))
        found = [clock.hears("a", 1_000 * S + n * S, 1_060 * S + n * S + n % 2 * (AGREES_NS + more)) for n in range(3)]
        assert found == [False, False, believed]


def test_a_tick_that_agrees_ends_the_doubt() -> None:
    clock = VenueClock(ClockState(samples=[0] * 5, ts_sample=999 * S, ts_recv=999 * S))
    assert [clock.hears("a", 1_000 * S + n * S, 1_060 * S + n * S) for n in range(2)] == [False, False]
    assert clock.hears("b", 1_062 * S, 1_062 * S)
    assert (clock.state.moves, clock.state.odd) == (0, {})
    assert [clock.hears("a", 1_003 * S + n * S, 1_063 * S + n * S) for n in range(3)] == [False, False, True]


def test_a_clock_that_went_back_while_the_venues_did_not_was_set() -> None:
    def heard(samples: list[int]) -> bool:
        return VenueClock(ClockState(samples=samples, ts_recv=1_000 * S)).hears("a", 1_001 * S, 970 * S)

    assert heard([0] * 5)
    assert not heard([])
    ahead = VenueClock(ClockState(samples=[0] * 5, ts_recv=1_000 * S))
    assert not ahead.hears("a", 900 * S, 970 * S), "the venue's went back further"
    little = VenueClock(ClockState(samples=[0] * 5, ts_recv=1_000 * S))
    assert not little.hears("a", 1_001 * S + 10, 1_000 * S - AGREES_NS), "by no more than ticks lie apart"


def test_instruments_that_disagree_are_bounded_and_the_first_goes() -> None:
    clock = VenueClock(ClockState(samples=[0] * 5, ts_recv=999 * S))
    for n in range(257):
        clock.hears(f"s{n}", 1_000 * S + n, 1_060 * S + n)
    assert (len(clock.state.odd), "s0" in clock.state.odd) == (256, False)
    clock.hears("s256", 1_000 * S + 256, 1_060 * S + 300)  # known: nobody goes
    assert (len(clock.state.odd), "s0" in clock.state.odd, "s1" in clock.state.odd) == (256, False, True)


# -- silence


def test_the_cadence_is_a_mean_that_follows_after_twenty_ticks(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("cffex", "IF2503")
    detector = SilenceDetector(schedule)

    def on(second: float) -> object:
        ts = at(DAY + "09:30:00") + int(second * S)
        return detector.on_tick(ts, schedule.place(ts), RULES)

    assert on(0) is None
    second = 0.0
    for pause in (1, 3, 2):
        second += pause
        assert on(second) is None
    assert (detector.state.count, detector.state.cadence_ns) == (3, pytest.approx(2 * S))
    for _ in range(17):
        second += 2
        assert on(second) is None
    assert detector.state.count == 20
    second += 4
    assert on(second) is None
    assert detector.state.cadence_ns == pytest.approx((2 + 0.05 * 2) * S)
    limit = 30 * detector.state.cadence_ns / S  # 63 s, above the least one
    told = on(second + limit + 0.1)
    assert told == (
        at(DAY + "09:30:00") + int(second * S),
        at(DAY + "09:30:00") + int((second + limit + 0.1) * S),
        "silence",
    )
    assert detector.state.count == 21


def test_between_sections_only_session_time_is_silence(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("shfe", "rb2505")

    def silence(first: str, then: str) -> bool:
        detector = SilenceDetector(schedule)
        for when in (first, then):
            found = detector.on_tick(at(when), schedule.place(at(when)), RULES)
        return found is not None and found[2] == "silence"

    assert not silence(DAY + "10:14:40", DAY + "10:30:40")  # 20 and 40 s
    assert silence(DAY + "10:14:39", DAY + "10:30:40")
    assert silence(DAY + "10:14:59", DAY + "13:30:01")  # a whole section between
    assert not silence(DAY + "14:59:40", DAY + "21:00:39")
    assert silence(DAY + "14:59:59", "2025-03-05 09:00:01")
    assert not silence("2025-03-07 22:59:40", "2025-03-10 09:00:39")  # a week end


def test_a_whole_day_without_a_tick_is_silence_where_markets_never_close(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("binance", "BTC-USDT")
    detector = SilenceDetector(schedule)
    found = [
        detector.on_tick(at(when), schedule.place(at(when)), RULES)
        for when in ("2025-03-03 08:00:10", "2025-03-04 07:59:50", "2025-03-06 08:00:10")
    ]
    assert [each is not None and each[2] == "silence" for each in found] == [False, True, True]
    near = SilenceDetector(schedule)
    found = [
        near.on_tick(at(when), schedule.place(at(when)), RULES)
        for when in ("2025-03-04 07:59:50", "2025-03-04 08:00:10")
    ]
    assert found[1] is None
    days = SilenceDetector(schedule)
    assert days.on_tick(at("2025-03-04 07:59:50"), schedule.place(at("2025-03-04 07:59:50")), RULES)  # joined
    after = at("2025-03-05 08:00:10")
    assert days.on_tick(after, schedule.place(after), RULES) == (at("2025-03-04 07:59:50"), after, "silence")


def test_a_stream_is_joined_late_where_its_day_has_begun_longer_ago(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("cffex", "IF2503")

    def joined(when: str) -> object:
        return SilenceDetector(schedule).on_tick(at(when), schedule.place(at(when)), RULES)

    opened = at(DAY + "09:30:00")
    assert joined(DAY + "09:31:00") is None
    assert joined(DAY + "09:31:01") == (opened, at(DAY + "09:31:01"), "joined")
    assert joined(DAY + "13:00:01") == (opened, at(DAY + "13:00:01"), "joined")


# -- what is unusual


def warm(**more: float) -> AnomalyDetectionService:
    values = {"price": 100.0, "volume": 10.0, "count": 100, "mean": 0.0, "variance": 1e-6, "traded": 2.0, "spread": 1.0}
    return AnomalyDetectionService(AnomalyState(**{**values, **more}, trading_day="20250303"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("deviations", "severity"), [(2.9, ""), (3.1, "low"), (4.1, "medium"), (5.1, "high"), (6.1, "critical")]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_move_is_told_by_its_deviations(deviations: float, severity: str, sign: int) -> None:
    price = 100 * math.exp(sign * deviations * 1e-3)
    found = warm().on_tick(tick(DAY + "09:00:00", str(price), 10), RULES)
    assert [each.severity for each in found] == ([severity] if severity else [])
    assert all(each == anomaly("price_move", severity, deviations, RULES, "z_low") for each in found)
    assert warm(count=99).on_tick(tick(DAY + "09:00:00", str(price), 10), RULES) == ()


def test_deviations_are_counted_from_the_mean_and_prices_below_one_are_prices() -> None:
    price = 100 * math.exp(4.1e-3)
    (found,) = warm(mean=1e-3).on_tick(tick(DAY + "09:00:00", str(price), 10), RULES)
    assert found.severity == "low"
    detector = warm()
    detector.on_tick(tick(DAY + "09:00:00", "0.5", 10), RULES)
    assert detector.state.price == 0.5
    (jump,) = [each for each in detector.on_tick(tick(DAY + "09:00:01", "0.6", 10), RULES) if each.kind == "price_jump"]
    assert jump.value == 20


def test_means_follow_with_a_hundredth_of_what_is_new() -> None:
    detector = warm(mean=1e-4)
    detector.on_tick(tick(DAY + "09:00:00", "100.2", 14, **book(99, 103)), RULES)
    state, move = detector.state, math.log(1.002)
    delta = move - 1e-4
    assert state.mean == pytest.approx(1e-4 + 0.01 * delta)
    assert state.variance == pytest.approx(0.99 * (1e-6 + 0.01 * delta * delta))
    assert (state.traded, state.spread) == (pytest.approx(2 + 0.01 * 2), pytest.approx(1 + 0.01 * 3))
    assert (state.price, state.volume, state.count) == (100.2, 14.0, 101)


def test_a_move_of_a_step_in_a_quiet_market_is_no_news() -> None:
    assert warm(variance=1e-12).on_tick(tick(DAY + "09:00:00", "100.3", 10), RULES) == ()
    assert len(warm(variance=1e-12).on_tick(tick(DAY + "09:00:00", "100.31", 10), RULES)) == 1
    assert [each.kind for each in warm(count=0).on_tick(tick(DAY + "09:00:00", "103.01", 10), RULES)] == ["price_jump"]
    assert warm(count=0).on_tick(tick(DAY + "09:00:00", "102.99", 10), RULES) == ()


def test_bursts_and_spreads_are_told_beyond_their_factor_when_warm() -> None:
    for volume, kinds in ((210, []), (211, ["volume_burst"])):
        assert [each.kind for each in warm().on_tick(tick(DAY + "09:00:00", 100, volume), RULES)] == kinds
    for ask, kinds in ((150, []), (151, ["spread"])):
        found = warm().on_tick(tick(DAY + "09:00:00", 100, 10, **book(100, ask)), RULES)
        assert [each.kind for each in found] == kinds
    assert warm(count=99).on_tick(tick(DAY + "09:00:00", 100, 999, **book(1, 999)), RULES) == ()
    assert warm(traded=0.0, spread=0.0).on_tick(tick(DAY + "09:00:00", 100, 999, **book(1, 999)), RULES) == ()


def test_rules_that_change_hold_for_the_next_tick() -> None:
    detector = warm()
    assert detector.on_tick(tick(DAY + "09:00:00", 100, 200), RULES) == ()
    found = detector.on_tick(tick(DAY + "09:00:01", 100, 390), ValidationRules(burst_factor=20.0))
    assert [(each.kind, each.threshold) for each in found] == [("volume_burst", 20.0)]


def test_a_new_day_begins_with_its_first_tick() -> None:
    detector = warm()
    assert detector.on_tick(tick("2025-03-04 09:00:00", 200, 99_999, day="20250304"), RULES) == ()
    state = detector.state
    assert (state.trading_day, state.price, state.volume, state.mean, state.traded) == ("20250304", 200, 99_999, 0, 2)
    for none in (
        tick("2025-03-05 09:00:00", None, 5, day="20250305"),
        tick("2025-03-05 09:00:00", 0, 5, day="20250305"),
    ):
        assert detector.on_tick(none, RULES) == ()
    assert detector.state == state


# -- quality


def test_every_count_of_a_window_is_of_its_ticks() -> None:
    monitor = DataQualityMonitor()
    begun = at(DAY + "09:00:00")
    odd = anomaly("spread", "medium", 60, RULES, "spread_factor")

    def observe(
        second: float, score: int, *reasons: str, accepted: bool = True, verdict: str = "valid", odds: int = 0
    ) -> object:
        each = tick(begun + int(second * S), 100, 1)._replace(verdict=verdict)
        return monitor.observe(each, score, reasons, (odd,) * odds, RULES, accepted=accepted)

    assert observe(5.5, 100) == (None, None)
    assert observe(6, 95, "wide", odds=2) == (None, None)
    assert observe(7, 100, "old", verdict="stale") == (None, None)
    assert observe(8, 40, "wide", "crossed", accepted=False) == (None, None)
    assert monitor.state.window == QualityMetrics(
        begun, begun + 60 * S, 4, 3, 1, 1, 1, 2, 335, {"wide": 2, "old": 1, "crossed": 1}
    )
    report, event = observe(60, 100)  # type: ignore[misc]
    assert event is None
    assert (report.seq, report.ts_from, report.ts_to, report.score) == (1, begun, begun + 60 * S, 84)
    assert (report.ticks, report.accepted, report.rejected, report.stale, report.warned, report.anomalies) == (
        4,
        3,
        1,
        1,
        1,
        2,
    )
    assert report.ts_event == report.ts_to
    second, event = observe(240, 100)  # type: ignore[misc]
    assert (second.seq, second.ts_from, second.ticks, event) == (2, begun + 60 * S, 1, None)
    assert monitor.state.degraded is False


def test_a_window_that_became_shorter_goes_on_where_the_last_one_ended() -> None:
    monitor = DataQualityMonitor()
    begun = at(DAY + "09:00:00")
    monitor.observe(tick(begun, 100, 1), 100, (), (), RULES, accepted=True)
    monitor.observe(tick(begun + 60 * S, 100, 1), 100, (), (), ValidationRules(quality_window_s=90.0), accepted=True)
    assert (monitor.state.window.ts_from, monitor.state.window.ts_to) == (begun + 60 * S, begun + 90 * S)


@pytest.mark.parametrize(
    ("degraded", "score", "change"),
    [
        (False, 79, "DataQualityDegraded"),
        (False, 80, ""),
        (True, 79, ""),
        (True, 94, ""),
        (True, 95, "DataQualityRestored"),
        (False, 95, ""),
    ],
)
def test_a_stream_is_degraded_below_one_score_and_restored_at_another(degraded: bool, score: int, change: str) -> None:
    report = report_of(QualityMetrics(1, 2, 1, total=score), tick(DAY + "09:00:00"), 7)
    found = change_of(report, RULES, degraded=degraded)
    assert (type(found).__name__ if found is not None else "") == change
    assert QualityMetrics().score.value == 100
    assert QualityMetrics() == QualityMetrics(0, 0, 0, 0, 0, 0, 0, 0, 0, {})
