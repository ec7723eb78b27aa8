"""Words that the contracts have, what fields are without being told, and small rules that stand on them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from decimal import Decimal

import pytest

import marketprism_domain.marketdata
from marketprism_domain.books.chain import BookChange, Step
from marketprism_domain.events import pipeline, quality, sessions
from marketprism_domain.integrity import verdicts
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import (
    SAMPLE_ROWS,
    Certainty,
    CheckRun,
    DayCoverage,
    Defect,
    IntegrityReport,
    SampleRow,
    Severity,
)
from marketprism_domain.integrity.verdicts import SETTLED_AFTER_NS, JudgedDefect, Verdict
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_domain.marketdata.gap import FROM_HISTORY, LOSSES, MISSING_TRADES, Gap
from marketprism_domain.marketdata.instrument_record import CLASSES, InstrumentRecord
from marketprism_domain.marketdata.orderbook import OrderBook
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.marketdata.trade import Trade
from marketprism_domain.scheduling.runs import DUE_STEP_NS, RunId, RunOrigin, RunStatus
from marketprism_domain.sessions.exchange_hours import PRODUCTS, hours_key, venue_of
from marketprism_domain.ticks.quality_windows import MonitorState
from marketprism_domain.ticks.state import AnomalyState, ClockState, SilenceState, StreamState
from marketprism_domain.values import RESERVED_VENUES


def test_words_of_the_contracts() -> None:
    assert [*Severity, *Certainty] == ["error", "warning", "notice", "certain", "likely", "suspect"]
    assert [*Verdict] == ["ours", "venue", "both", "vanished", "unknown"]
    assert [*RunOrigin] == ["schedule", "catch_up", "operator", "backfill"]
    assert [step.value for step in Step] == ["next", "old", "alive", "gap"]
    assert CLASSES == ("future", "option", "combination", "spot", "swap")
    assert (MISSING_TRADES, FROM_HISTORY) == ("missing_trades", "history")
    assert LOSSES == (
        "silence",
        "disconnected",
        "interrupted",
        "restart",
        "sequence",
        "reported",
        "truncated",
        "queue_full",
        "overflow",
        "missing_trades",
    )
    assert {"tick", "bar", "gap", "quality", "event", "raw", "packed", "instrument"} == RESERVED_VENUES


def test_a_field_of_a_record_that_nobody_told_is_nothing() -> None:
    """None, an empty text, no, no level: never a value that somebody could take for one that was told."""
    kinds = {
        kind
        for found in pkgutil.iter_modules(marketprism_domain.marketdata.__path__)
        for kind in vars(importlib.import_module(f"marketprism_domain.marketdata.{found.name}")).values()
        if inspect.isclass(kind) and getattr(kind, "_field_defaults", None)
    }
    assert kinds >= {Tick, Trade, OrderBook, Gap, InstrumentRecord}
    told = {(kind.__name__, name): value for kind in kinds for name, value in kind._field_defaults.items() if value}
    assert told == {}


def test_a_field_of_an_event_that_nobody_told_is_nothing() -> None:
    for module in (sessions, quality, pipeline):
        for name, kind in vars(module).items():
            for field in getattr(kind, "__dataclass_fields__", {}).values():
                assert isinstance(field.default, type(field.default_factory)) or not field.default, (name, field.name)


def test_memories_begin_with_nothing() -> None:
    assert SilenceState() == SilenceState(0, None, 0.0, 0)
    assert AnomalyState() == AnomalyState(0.0, 0.0, 0, 0.0, 0.0, 0.0, 0.0, "")
    assert ClockState() == ClockState(0, [], 0, 0, 0, {})
    assert StreamState() == StreamState(0, None, {}, {})
    assert (MonitorState().seq, MonitorState().degraded, MonitorState().window.ticks) == (0, False, 0)
    change = BookChange("v", "S", 1, 1, 1, 1, None, (), ())
    assert (change.snapshot, change.checksum, change.path, change.cut_at) == (False, None, "", None)


# -- runs


def test_states_of_a_run() -> None:
    states = ["waiting", "running", "retrying", "succeeded", "failed", "timed_out", "skipped", "missed", "cancelled"]
    assert [*RunStatus] == states
    assert [status for status in RunStatus if not status.is_final] == states[:3]
    assert [status for status in RunStatus if status.has_failed] == ["failed", "timed_out"]


def test_the_name_of_a_run() -> None:
    assert (str(RunId("archive", 5)), str(RunId("archive", 5, 7))) == ("archive.5", "archive.5.7")
    assert RunId("archive", 5).attempt(2) == "archive.5.2"
    assert RunId("archive", 5) == RunId("archive", 5, 0)
    assert (DUE_STEP_NS % 1_000_000, DUE_STEP_NS % 256, DUE_STEP_NS) == (0, 0, 4_000_000)


# -- reports


def report(*defects: Defect, expected: int = 100, rows: int = 100) -> IntegrityReport:
    dataset = Dataset("bar", "shfe", "rb2505", "1m", 0, 1)
    return IntegrityReport(dataset, True, expected, 0, 0, 0, 0, 0, 0, rows, defects, (), (), ())


def defect(total: int, **more: float) -> Defect:
    return Defect("hole", Severity.ERROR, Certainty.CERTAIN, 1, 2, total, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("defects", "score", "grade"),
    [
        ((), 100.0, "A"),
        ((defect(1),), 99.0, "A"),
        ((defect(2),), 98.0, "B"),
        ((defect(5),), 95.0, "B"),
        ((defect(6),), 94.0, "C"),
        ((defect(10),), 90.0, "C"),
        ((defect(11),), 89.0, "D"),
        ((defect(20),), 80.0, "D"),
        ((defect(21),), 79.0, "F"),
        ((defect(3, weight=2.0), defect(4, weight=0.5)), 92.0, "C"),
        ((defect(1_000),), 0.0, "F"),
        ((defect(1, weight=0.00001),), 99.99, "A"),
        ((defect(1, weight=1.23456),), 98.77, "B"),
    ],
)
def test_a_score_is_the_share_that_no_defect_weighs_on(defects: tuple[Defect, ...], score: float, grade: str) -> None:
    found = report(*defects)
    assert (found.score, found.grade, found.is_clean) == (score, grade, not defects)


def test_a_score_is_of_what_is_expected_or_there_whichever_is_more() -> None:
    assert report(defect(10), expected=200, rows=50).score == report(defect(10), expected=50, rows=200).score == 95.0
    assert report(expected=0, rows=0).score == 100.0
    assert report(defect(1), expected=0, rows=0).score == 0.0
    assert report().remarks == ()
    assert (SAMPLE_ROWS, defect(1).weight, defect(1).trading_day, defect(1).text, defect(1).rows) == (
        10,
        1.0,
        "",
        "",
        (),
    )
    assert (CheckRun("a", True).reason, SampleRow(1, 2).values) == ("", ())
    assert (verdicts.Testimony("w", 1, 2, 3).text, JudgedDefect(defect(1), Verdict.OURS).witness) == ("", "")
    assert (JudgedDefect(defect(1), Verdict.OURS).testimonies, SETTLED_AFTER_NS) == ((), 86_400 * 10**9)


def test_a_rate_of_funding_is_one_that_is_to_come_unless_it_says_otherwise() -> None:
    assert FundingRate("okx", "BTC-USDT-PERP", "s", 1, 2, 3, 4, 5, Decimal("0.0001")).settled is False


def test_coverage_of_a_day() -> None:
    states = {(5, 5): "complete", (5, 6): "complete", (5, 4): "partly", (5, 0): "empty", (0, 0): "complete"}
    assert {key: DayCoverage("20250303", *key).state for key in states} == states


# -- exchanges


@pytest.mark.parametrize(
    ("symbol", "venue"),
    [
        ("MO2503", "cffex"),
        ("510050C2512M03000", "sse"),
        ("10008000", "sse"),
        ("90000001", "szse"),
        ("159915", "szse"),
        ("000001", "szse"),
        ("600000", "sse"),
        ("ABC1", None),
    ],
)
def test_a_symbol_names_its_exchange(symbol: str, venue: str | None) -> None:
    assert venue_of(symbol) == venue
    assert "mo" in PRODUCTS["cffex"]
    assert hours_key("SP m2505&a2505") == "a&m"
