"""What the monitor's jobs judge by: deviations, instants of funding, ages, answers about health."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from marketprism_adapters.nats.stream_budget import StreamFill
from marketprism_application.contracts.instrument_list import InstrumentList
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.open_interest import OpenInterest
from marketprism_domain.marketdata.ticker import Ticker
from marketprism_domain.sessions.trading_days import TradingDays, midnight
from marketprism_sdk.messaging import InstanceRecord
from marketprism_sdk.observability import MetricRow
from marketprism_services.monitor.jobs.findings import Finding, by_venue, first_of
from marketprism_services.monitor.jobs.funding import Slot, interval_of, judged, slots_of
from marketprism_services.monitor.jobs.health_sweep import (
    SweepOutput,
    disk_findings,
    failure_of,
    health_finding,
    stream_findings,
)
from marketprism_services.monitor.jobs.liquidations import (
    LiquidationCheck,
    VenueMinute,
    is_burst,
    per_minute,
    z_score,
)
from marketprism_services.monitor.jobs.open_interest import age_s, is_over, known_at
from marketprism_services.monitor.jobs.reference_data import days_ahead, list_problem

SECOND = 10**9
HOUR = 3600 * SECOND
MIDNIGHT = 20_000 * 86_400 * SECOND  # of some day, UTC


def head(ts: int) -> tuple[str, str, str, int, int, int, int, int]:
    return ("v", "BTC-USDT-SWAP", "s", 1, 1, ts, ts, ts)


@pytest.mark.parametrize(
    ("number", "before", "expected"),
    [
        (5, [], None),
        (50, [0] * 9, None),
        (6, [0] * 10, 6.0),  # a quiet hour counts as if it deviated by one
        (0, [4] * 60, -4.0),
        (30, [10, 20] * 30, 3.0),
    ],
)
def test_a_number_is_held_against_the_minutes_before(number: int, before: list[int], expected: float | None) -> None:
    assert z_score(number, before) == expected


@pytest.mark.parametrize(
    ("number", "z", "expected"), [(5, 6.0, True), (4, 40.0, False), (500, 5.99, False), (500, None, False)]
)
def test_a_burst_is_many_and_far_more_than_usual(number: int, z: float | None, expected: bool) -> None:
    assert is_burst(VenueMinute("v", number, "0", z), LiquidationCheck()) is expected
    assert is_burst(VenueMinute("v", number, "0", z), LiquidationCheck(1000.0)) is False


def test_numbers_of_minutes_come_from_what_lies_behind_their_ends() -> None:
    assert per_minute([10, 7, 7, 0]) == [3, 0, 7]
    assert per_minute([3, 4]) == [0]  # one came between the two questions


@pytest.mark.parametrize(
    ("until", "period_h", "interval_h", "expected"),
    [
        (30, 8, 8, [0]),
        (30, 8, 4, [-4, 0]),
        (30, 8, 1, list(range(-7, 1))),
        (8 * 3600, 8, 8, [8]),
        (8 * 3600 - 1, 8, 8, [0]),
        (12 * 3600, 1, 8, []),
    ],
)
def test_funding_is_exchanged_at_whole_intervals_from_midnight_on(
    until: int, period_h: int, interval_h: int, expected: list[int]
) -> None:
    found = slots_of(MIDNIGHT + until * SECOND, period_h * 3600, interval_h * 3600)
    assert [(slot - MIDNIGHT) // HOUR for slot in found] == expected


def rate(ts_funding: int | None, at: int = MIDNIGHT - HOUR, *, settled: bool = False) -> FundingRate:
    return FundingRate(*head(at), Decimal("0.0001"), ts_funding, 8 * 3600, settled)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (rate(MIDNIGHT), rate(MIDNIGHT + 8 * HOUR), Slot.KNOWN),
        (rate(MIDNIGHT - 8 * HOUR), rate(MIDNIGHT + 8 * HOUR), Slot.MISSING),
        (rate(MIDNIGHT - 8 * HOUR), rate(MIDNIGHT, settled=True), Slot.KNOWN),
        (rate(MIDNIGHT - 8 * HOUR), rate(MIDNIGHT, settled=False), Slot.MISSING),
        (rate(MIDNIGHT + 4 * HOUR), rate(MIDNIGHT + 4 * HOUR), Slot.NONE),
        (rate(None), rate(None), Slot.KNOWN),
        (rate(None, MIDNIGHT - 9 * HOUR), rate(None), Slot.MISSING),
    ],
)
def test_an_instant_of_funding_is_known_by_the_last_rate_before_it(
    before: FundingRate, after: FundingRate, expected: Slot
) -> None:
    assert judged(MIDNIGHT, before, after, 8 * 3600) is expected


@pytest.mark.parametrize(("told", "expected"), [(None, 28_800), (0, 28_800), (1, 28_800), (3_600, 3_600)])
def test_an_interval_that_cannot_be_is_the_usual_one(told: int | None, expected: int) -> None:
    assert interval_of(rate(None)._replace(interval_s=told)) == expected


def test_open_interest_is_as_old_as_what_said_it_last() -> None:
    interest = OpenInterest(*head(MIDNIGHT), Decimal(5))
    with_it = Ticker(*head(MIDNIGHT + HOUR), last=Decimal(1), open_interest=Decimal(5))
    assert known_at(interest, None) == MIDNIGHT
    assert known_at(interest, with_it) == MIDNIGHT + HOUR
    assert known_at(interest, with_it._replace(open_interest=None)) == MIDNIGHT
    assert known_at(interest, with_it._replace(ts_event=MIDNIGHT - HOUR)) == MIDNIGHT
    assert age_s(MIDNIGHT, MIDNIGHT + 90 * SECOND) == 90.0
    assert age_s(MIDNIGHT + SECOND, MIDNIGHT) == 0.0


def test_an_instrument_is_over_on_its_last_day_and_when_it_does_not_trade() -> None:
    terms = InstrumentRecord(*head(MIDNIGHT), "BTC", "option", status="trading")
    assert not is_over(None, MIDNIGHT)
    assert not is_over(terms, MIDNIGHT)
    assert is_over(terms._replace(status="delisted"), MIDNIGHT)
    assert not is_over(terms._replace(expire_day="20241005"), MIDNIGHT - SECOND)  # 2024-10-03, UTC
    assert is_over(terms._replace(expire_day="20241004"), MIDNIGHT)
    assert is_over(terms._replace(expire_day="20241003"), MIDNIGHT)


def test_days_ahead_end_with_what_is_announced() -> None:
    today = midnight(date(2026, 12, 20)) + 6 * HOUR
    assert days_ahead(TradingDays((), date(2026, 12, 31)), today) == 11
    assert days_ahead(TradingDays((), date(2026, 12, 1)), today) == 0
    assert days_ahead(TradingDays(()), today) is None


def test_a_list_of_instruments_ages_where_the_source_is_live() -> None:
    assert list_problem(InstrumentList(True, 100.0), 50, 150.0) == ""
    assert list_problem(InstrumentList(True, 100.0), 50, 151.0) == "its list of instruments is 51 s old"
    assert list_problem(InstrumentList(True, 0.0), 50, 151.0) == "has not read its list of instruments yet"
    assert list_problem(InstrumentList(False, 0.0), 50, 151.0) == ""


RECORD = InstanceRecord("query", "query-1", "1", "active", 1, 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, None),
        ({"status": "healthy"}, None),
        ({"status": "starting"}, None),
        (None, Finding("instance", "query query-1", "does not answer: frozen, overloaded or cut off")),
        (
            {"status": "unhealthy", "reasons": {"store": "away", "disk": "full"}},
            Finding("instance", "query query-1", "is unhealthy: store: away; disk: full"),
        ),
        ({"status": "unhealthy"}, Finding("instance", "query query-1", "is unhealthy: it does not say why")),
        (
            {"status": "degraded", "reasons": {"certificate": "ends in 3 days"}},
            Finding("degraded", "query query-1", "is degraded: certificate: ends in 3 days"),
        ),
    ],
)
def test_an_answer_about_health_is_judged(body: dict[str, object] | None, expected: Finding | None) -> None:
    assert health_finding(RECORD, body) == expected


def test_an_instance_that_the_server_does_not_know_is_gone() -> None:
    assert health_finding(RECORD, None, away=True) == Finding("instance", "query query-1", "is gone, was active")


def test_a_disk_is_nearly_full_by_its_share() -> None:
    def row(name: str, disk: str, value: float | None) -> MetricRow:
        return MetricRow(f"marketprism_store_disk_{name}", {"disk": disk}, value, "gauge", "")

    rows = [
        row("free_bytes", "a", 9.0),
        row("bytes", "a", 100.0),
        row("free_bytes", "b", 10.0),
        row("bytes", "b", 100.0),
        row("bytes", "c", None),
    ]
    assert disk_findings(rows, "storage", 0.1) == (2, [Finding("disk", "storage a", "9% of it is free")])
    assert disk_findings([], "storage", 0.1) == (0, [])


def test_streams_are_full_or_have_replicas_that_are_behind() -> None:
    full, behind = stream_findings(
        [
            StreamFill("A", 10, 100),
            StreamFill("B", 90, 100, held_s=10.0, wanted_s=100.0),
            StreamFill("C", 1, 100, replicas_behind=1),
        ]
    )
    assert [each.where for each in full] == ["B"]
    assert [(each.where, each.text) for each in behind] == [("C", "1 replicas are behind or away")]


def test_a_failure_names_the_first_few() -> None:
    sick = [Finding("instance", f"query {n}", "is gone, was active") for n in range(4)]
    leader = Finding("leader", "gateway.default", "leader lost")
    output = SweepOutput(12, 4, 0, 1, 0, 0, [*sick, leader], [])
    assert failure_of(output, sick) == (
        "4 of 12 instances are not healthy: query 0 is gone, was active, query 1 is gone, was active, "
        "query 2 is gone, was active and 1 more; 1 other problems: gateway.default: leader lost"
    )
    assert failure_of(SweepOutput(12, 0, 0, 1, 0, 0, [], []), []) == ""


def test_names_are_grouped_and_cut() -> None:
    assert by_venue([("b", "x"), ("a", "y"), ("a", "x")]) == {"a": ["x", "y"], "b": ["x"]}
    assert sum(len(found) for found in by_venue([("a", f"{n:04}") for n in range(300)]).values()) == 200
    assert first_of(["a"]) == "a"
    assert first_of(list("abcd")) == "a, b, c and 1 more"
