"""Requests of the data service as HTTP has them, and what its reports come to."""

from __future__ import annotations

import json

import pytest

from marketprism_application.contracts.data_answers import (
    CheckReport,
    DatasetShown,
    FoundDefect,
    PlanShown,
    RepairedSeries,
    RepairReport,
    SeriesReport,
    StateShown,
)
from marketprism_application.contracts.data_jobs import JobShown, JobStage, TaskShown
from marketprism_client import DataJobFailed
from marketprism_client._published import PUBLISHED, HttpRequest, request_of
from marketprism_domain.integrity.report import Certainty, Severity

DATASET = DatasetShown(kind="bar", venue="shfe", symbol="ru1901", interval="1m", ts_from=1, ts_to=2)
DEFECT = FoundDefect(
    code="missing_bar",
    severity=Severity.ERROR,
    certainty=Certainty.CERTAIN,
    ts_from=1,
    ts_to=2,
    count=3,
)


def job(stage: JobStage = JobStage.DONE, *, error: str = "", series: tuple[TaskShown, ...] = ()) -> JobShown:
    return JobShown(
        id="j1",
        action="check",
        stage=stage,
        by="",
        created_at=1,
        begun_at=1,
        ended_at=1,
        tasks=2,
        tasks_done=1,
        tasks_failed=1,
        parts=0,
        parts_done=0,
        rows=0,
        requests=0,
        eta_s=None,
        error=error,
        remarks=(),
        request={},
        series=series,
    )


def task(error: str = "") -> TaskShown:
    return TaskShown(
        number=0,
        kind="bar",
        venue="shfe",
        symbol="ru1901",
        interval="1m",
        ts_from=1,
        ts_to=2,
        stage=JobStage.FAILED,
        worker="",
        error=error,
        parts=1,
        parts_done=0,
        rows=0,
        requests=0,
        waits_s=0.0,
        result={},
    )


def report(expected: int, score: float, *defects: FoundDefect, missing: int = 0) -> SeriesReport:
    return SeriesReport(
        dataset=DATASET,
        expected=expected,
        present=expected - missing,
        missing=missing,
        score=score,
        grade="A",
        clean=not defects,
        defects=defects,
    )


@pytest.mark.parametrize(
    ("service", "method", "body", "request_"),
    [
        ("data", "jobs", {"limit": 5}, HttpRequest("GET", "/api/v1/data/jobs?limit=5", None)),
        ("data", "job", {"id": "a/b c"}, HttpRequest("GET", "/api/v1/data/jobs/a%2Fb%20c", None)),
        ("data", "cancel", {"id": "x"}, HttpRequest("DELETE", "/api/v1/data/jobs/x", None)),
        (
            "data",
            "report",
            {"id": "x", "number": 3, "format": "json"},
            HttpRequest("GET", "/api/v1/data/checks/x/reports/3?format=json", None),
        ),
        (
            "data",
            "coverage",
            {"symbol": "BTC-USDT", "from": 5, "to": None, "venue": "okx"},
            HttpRequest("GET", "/api/v1/data/coverage/BTC-USDT?from=5&venue=okx", None),
        ),
        ("order", "tables", {"venue": "okx", "at": 0}, HttpRequest("GET", "/api/v1/orders/tables/okx?at=0", None)),
    ],
)
def test_a_request_that_changes_nothing_is_an_address(
    service: str, method: str, body: dict[str, object], request_: HttpRequest
) -> None:
    assert request_of(PUBLISHED[service][method], body) == request_


def test_a_request_that_begins_work_has_a_body_without_what_its_path_says() -> None:
    asked = request_of(PUBLISHED["data"]["repair"], {"id": "c7", "dry_run": True})
    assert (asked.method, asked.path) == ("POST", "/api/v1/data/checks/c7/repairs")
    assert json.loads(asked.body or b"") == {"dry_run": True}


def test_a_check_of_several_series_is_one_report() -> None:
    clean, wrong = report(900, 100.0), report(100, 97.0, DEFECT, missing=3)
    both = CheckReport(job=job(), series=(clean, wrong))
    assert (both.id, both.expected, both.present, both.missing) == ("j1", 1_000, 997, 3)
    assert both.defects == (DEFECT,)
    assert both.score == 99.7
    assert not both.is_clean
    assert CheckReport(job=job(), series=(clean,)).score == 100.0
    assert CheckReport(job=job(), series=(clean,)).is_clean


def test_a_defect_shows_in_the_score_however_long_the_series_and_so_does_what_could_not_be_checked() -> None:
    assert CheckReport(job=job(), series=(report(10**9, 100.0, DEFECT),)).score == 99.99
    unchecked = CheckReport(job=job(), series=(report(10, 100.0),), failed=(task("no rows"),))
    assert (unchecked.is_clean, unchecked.score) == (False, 99.99)
    assert CheckReport(job=job(), failed=(task(),)).score == 0.0


def test_what_a_repair_leaves_is_counted_by_its_proof() -> None:
    before = StateShown(defects=5, missing=5, score=90.0, grade="B")
    after = StateShown(defects=1, missing=1, score=99.0, grade="A")
    plan = PlanShown(parts=1, requests=2, seconds=0.5)
    planned = RepairedSeries(number=0, dataset=DATASET, plan=plan, before=before)
    proved = RepairedSeries(number=1, dataset=DATASET, plan=plan, before=before, after=after)
    repair = RepairReport(job=job(), series=(planned, proved))
    assert (repair.defects_left, repair.requests, repair.seconds) == (6, 4, 1.0)


def test_a_failed_job_says_why_by_its_series() -> None:
    text = str(DataJobFailed(job(JobStage.FAILED, series=(task("rate: was none"),))))
    assert text == "job j1: expected it to be done, was failed: shfe.ru1901: rate: was none"
    assert "was cancelled: by li" in str(DataJobFailed(job(JobStage.CANCELLED, error="by li")))
    assert DataJobFailed(job(JobStage.FAILED)).consequence.exit == 1
