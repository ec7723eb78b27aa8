"""Anomalies, gaps, quality windows, events, commands, the gateway's life cycle."""

from __future__ import annotations

import itertools
from dataclasses import fields
from decimal import Decimal

import pytest

from marketprism_domain.errors import InvalidValue, InvariantBroken
from marketprism_domain.events import registry
from marketprism_domain.gateway import Gateway, RetryPolicy
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.anomalies import AnomalyDetectionService
from marketprism_domain.ticks.gaps import GapLedger, SilenceDetector
from marketprism_domain.ticks.quality import DataQualityMonitor
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import InstrumentId, TimeWindow
from tests.fakes.ticks import at, book, tick

RULES = ValidationRules()
DAY = "2025-03-03 "


@pytest.mark.parametrize(("moved", "severity"), [("1.0", None), ("1.5", "critical"), ("5.0", "critical")])
def test_an_unusual_move_is_told_with_its_severity(moved: str, severity: str | None) -> None:
    detector = AnomalyDetectionService()
    price, start = Decimal(1000), at(DAY + "09:00:00")
    for n in range(300):
        price += Decimal((-1) ** n) / 2
        assert detector.on_tick(tick(start + n * 10**9, price, n + 1), RULES) == ()
    jumped = detector.on_tick(
        tick(start + 301 * 10**9, price * (1 + Decimal(moved) / 100 - Decimal("0.01")), 400), RULES
    )
    assert {a.severity for a in jumped if a.kind == "price_move"} == ({severity} if severity else set())
    assert any(a.kind == "price_jump" for a in jumped) == (Decimal(moved) - 1 > 3)


def test_a_burst_of_volume_and_a_wide_spread_are_told() -> None:
    detector = AnomalyDetectionService()
    start = at(DAY + "09:00:00")
    for n in range(300):
        detector.on_tick(tick(start + n * 10**9, 1000 + n % 2, 10 * (n + 1), **book(999, 1002)), RULES)
    found = detector.on_tick(tick(start + 400 * 10**9, 1000, 10**6, **book(100, 2000)), RULES)
    assert {a.kind for a in found} == {"volume_burst", "spread"}


def test_silence_is_measured_in_session_time(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("shfe", "rb2505")
    detector = SilenceDetector(schedule)

    def on(when: str, day: str = "20250303") -> object:
        del day
        return detector.on_tick(at(when), schedule.place(at(when)), RULES)

    for second in range(50):
        on(f"{DAY}09:00:{second:02}")
    assert on(DAY + "09:01:40") is None  # 51 s
    assert on(DAY + "09:05:00") == (at(DAY + "09:01:40"), at(DAY + "09:05:00"), "silence")  # 200 s
    on(DAY + "10:14:59")
    assert on(DAY + "10:30:01") is None  # the break does not count
    on(DAY + "14:59:59")
    assert on(DAY + "21:00:01") is None  # nor does the afternoon
    on(DAY + "22:59:59")
    whole_day = on("2025-03-05 09:00:01")
    assert whole_day == (at(DAY + "22:59:59"), at("2025-03-05 09:00:01"), "silence")


def test_a_stream_joined_in_the_middle_of_the_day_says_so(calendar: MarketCalendar) -> None:
    schedule = calendar.schedule("shfe", "ru1901")
    when = at("2018-10-09 09:00:00.5")
    assert SilenceDetector(schedule).on_tick(when, schedule.place(when), RULES) == (
        at("2018-10-08 21:00:00"),
        when,
        "joined",
    )
    first = at("2018-10-08 09:00:00.5")  # the first day after a holiday has no night
    assert SilenceDetector(schedule).on_tick(first, schedule.place(first), RULES) is None


def test_the_ledger_takes_a_hole_once() -> None:
    ledger = GapLedger()
    hole = Gap("shfe", "rb2505", "x", 0, 0, 0, 0, 0, 10, 20, "silence")
    instrument = InstrumentId.of("shfe", "rb2505")
    assert ledger.add(hole)
    assert not ledger.add(hole._replace(source="y"))
    assert len(ledger) == 1
    assert ledger.overlapping(instrument, TimeWindow(19, 30)) == (hole,)
    assert ledger.overlapping(instrument, TimeWindow(20, 30)) == (hole,), "its last tick brings what it lacks"
    assert ledger.overlapping(instrument, TimeWindow(21, 30)) == ledger.overlapping(instrument, TimeWindow(0, 10)) == ()
    assert ledger.overlapping(InstrumentId.of("shfe", "rb2510"), TimeWindow(0, 30)) == ()
    assert ledger.add(hole._replace(ts_to=25))
    with pytest.raises(InvalidValue, match="an end at or after its start"):
        ledger.add(hole._replace(ts_to=9))


def test_windows_do_not_overlap_and_degradation_is_told_once() -> None:
    monitor = DataQualityMonitor()
    told, reports = [], []
    for second in range(0, 360, 10):
        bad = 60 <= second < 180
        each = tick(at(DAY + "09:00:00") + second * 10**9, 100, second + 1)
        report, event = monitor.observe(each, 40 if bad else 100, ("x",) if bad else (), (), RULES, accepted=not bad)
        reports += [report] if report else []
        told += [type(event).__name__] if event else []
    assert told == ["DataQualityDegraded", "DataQualityRestored"]
    assert [r.score for r in reports] == [100, 40, 40, 100, 100]
    assert all(a.ts_to <= b.ts_from for a, b in itertools.pairwise(reports))
    assert all(r.ticks == r.accepted + r.rejected for r in reports)


def test_every_event_of_the_domain_is_a_type_with_a_record() -> None:
    for name, kind in registry.EVENTS.items():
        values = {item.name: {"int": 1, "float": 1.5}.get(str(item.type), "x") for item in fields(kind)}
        record = registry.to_record(kind(**values), event_id="id", source="s", ts_event=7)
        assert (record.name, record.ts_event) == (name, 7)
        assert set(record.data) == set(values) - {"venue", "symbol"}
    assert len(registry.EVENTS) >= 47


def test_6_a_source_has_one_live_connection() -> None:
    gateway = Gateway("ctp-1")
    gateway.initialize()
    gateway.connected()
    with pytest.raises(InvariantBroken, match="expected no live connection"):
        gateway.connected()
    gateway.disconnected("front away")
    gateway.initialize()
    gateway.connected()


def test_7_nothing_is_subscribed_before_the_instruments_are_in() -> None:
    gateway = Gateway("ctp-1")
    gateway.initialize()
    gateway.connected()
    with pytest.raises(InvariantBroken, match="expected the instrument list"):
        gateway.subscribed(5)
    gateway.loaded(5)
    assert [type(e).__name__ for e in gateway.subscribed(5)][-1] == "MarketOpeningSequenceCompleted"


def test_retries_back_off_and_end() -> None:
    gateway = Gateway("ctp-1", RetryPolicy(1, 3, 3))
    assert [gateway.retry()[0] for _ in range(4)] == [1, 2, 3, None]
    assert RetryPolicy().delay_s(1000) == 30
    with pytest.raises(InvalidValue):
        RetryPolicy(5, 1)
