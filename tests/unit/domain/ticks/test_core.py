"""What compiled validation must do as Python does: numbers as they were set, memories that go on. Runs over either core."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TypeVar

import msgspec

from marketprism_domain.events.registry import DataQualityDegraded
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import TradingDays, midnight
from marketprism_domain.ticks.anomalies import AnomalyDetectionService
from marketprism_domain.ticks.clocks import VenueClock
from marketprism_domain.ticks.gaps import SilenceDetector
from marketprism_domain.ticks.quality import DataQualityMonitor
from marketprism_domain.ticks.quality_windows import MonitorState
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import AnomalyState, ClockState, SilenceState, StreamState
from marketprism_domain.ticks.stream import MarketDataStream
from marketprism_domain.ticks.validation import TickValidationService
from marketprism_domain.values import NANOS_PER_SECOND, BookLevel

_T = TypeVar("_T")
START = midnight(date(2018, 10, 9)) + 9 * 3_600 * NANOS_PER_SECOND + 60 * NANOS_PER_SECOND
SCHEDULE = MarketCalendar(TradingDays()).schedule("shfe", "ru1901")


def tick(number: int, last: str = "12000") -> Tick:
    ts = START + number * NANOS_PER_SECOND
    price = Decimal(last)
    return Tick(
        venue="shfe",
        symbol="ru1901",
        source="front",
        epoch=0,
        seq=0,
        ts_event=ts,
        ts_recv=ts,
        ts_pub=0,
        source_seq=number,
        trading_day="20181009",
        last=price,
        volume=Decimal(number * (number % 7)),
        bids=(BookLevel(price - 5, Decimal(1)),),
        asks=(BookLevel(price + 5, Decimal(2)),),
    )


def test_a_threshold_is_told_as_it_was_set() -> None:
    rules = ValidationRules().changed(jump_percent=2)
    detector = AnomalyDetectionService()
    detector.on_tick(tick(0), rules)
    (found,) = detector.on_tick(tick(1, "12600"), rules)
    assert (found.kind, found.value) == ("price_jump", 5.0)
    assert type(found.threshold) is int


def test_fractions_of_counts_that_were_stored_once_are_counted_with() -> None:
    stored = {"warm_up_ticks": 2.5, "error_weight": 20.5, "warning_weight": 4.5, "degraded_below": 80.5}
    rules = ValidationRules.from_dict({**ValidationRules().to_dict(), **stored})
    detector, service = AnomalyDetectionService(), TickValidationService(rules)
    for number in range(1, 5):
        detector.on_tick(tick(number, str(12_000 + number)), rules)
    assert [each.kind for each in detector.on_tick(tick(5, "12500"), rules)] == ["price_move", "price_jump"]
    before, placement = tick(3), SCHEDULE.place(START)
    result = service.check(tick(2), before, placement)
    assert (result.errors, result.score) == (("time_reversed",), 80)
    monitor = DataQualityMonitor()
    monitor.observe(tick(0), 80, (), (), rules, accepted=True)
    report, event = monitor.observe(tick(120), 80, (), (), rules, accepted=True)
    assert report is not None and report.score == 80  # noqa: PT018
    assert isinstance(event, DataQualityDegraded)


def test_memories_that_went_through_messagepack_go_on_as_if_nothing_had_been() -> None:
    rules = ValidationRules()
    service = TickValidationService(rules)
    kept: dict[str, tuple[object, ...]] = {}
    for interrupted in (False, True):
        said: list[object] = []
        stream, anomalies = MarketDataStream(), AnomalyDetectionService()
        silence, quality, clock = SilenceDetector(SCHEDULE), DataQualityMonitor(), VenueClock()
        for number in range(0, 600, 3):
            each = tick(number, str(12_000 + number % 11 * 5))
            placement = SCHEDULE.place(each.ts_event)
            said.append(clock.hears(each.symbol, each.ts_event, each.ts_recv))
            said.append(stream.accept(each, placement, service, 3, each.ts_recv, clock.offset_ns))
            said.append(silence.on_tick(each.ts_event, placement, rules))
            said.append(anomalies.on_tick(each, rules))
            said.append(quality.observe(each, 100, (), (), rules, accepted=True))
            if interrupted:
                stream = MarketDataStream(again(stream.state, StreamState))
                anomalies = AnomalyDetectionService(again(anomalies.state, AnomalyState))
                silence = SilenceDetector(SCHEDULE, again(silence.state, SilenceState))
                quality = DataQualityMonitor(again(quality.state, MonitorState))
                clock = VenueClock(again(clock.state, ClockState))
        kept[str(interrupted)] = (said, stream.state, anomalies.state, silence.state, quality.state, clock.state)
    assert kept["True"] == kept["False"]


def again(state: object, kind: type[_T]) -> _T:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=kind)
