"""Files as vendors write them: which end of a bar they bear, how they count long bars, in which zone, which day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.integrity.bar_rows import BarRows
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.integrity.file_check import CheckAsked, check_file
from marketprism_application.ports.imports import FileHints
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.sessions.trading_days import day_of, midnight
from tests.support.bar_series import CALENDAR, LATER, clean, codes, expected, without

CHINA = timezone(timedelta(hours=8))
DAYS = ("20190402", "20190517")  # two holidays, and the nights that they cost
CLOSING = "rows bear the time at which their bars close"


def in_zone(zone: timezone | ZoneInfo, form: str = "%Y-%m-%d %H:%M:%S") -> Callable[[int], str]:
    return lambda ts: datetime.fromtimestamp(ts // 10**9, zone).strftime(form)


IN_CHINA = in_zone(CHINA)


def report_of(
    path: Path, rows: BarRows, instrument: str, interval: str = "", write: Callable[[int], str] = IN_CHINA
) -> IntegrityReport:
    prices = (rows.open, rows.high, rows.low, rows.close, rows.volume)
    lines = [",".join([write(int(rows.ts[n])), *(each.text(n) for each in prices)]) for n in range(len(rows))]
    path.write_text("datetime,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    file = open_rows_file(path, FileHints("", instrument, interval))
    return check_file(file, file.facts.series[0], CALENDAR, CheckAsked(LATER))


INTERVALS, ALIGNMENTS = ("5m", "15m", "30m", "1h", "2h"), ("session", "clock", "wall")


@pytest.mark.parametrize(  # every two of them together
    ("interval", "alignment", "at_end"),
    [
        (interval, alignment, (n + m) % 2 == 0)
        for n, interval in enumerate(INTERVALS)
        for m, alignment in enumerate(ALIGNMENTS)
    ],
)
def test_long_bars_are_understood_however_they_are_counted_and_stamped(
    interval: str, alignment: str, at_end: bool, tmp_path: Path
) -> None:
    expectation = expected("shfe", "cu1906", interval, DAYS, alignment=alignment)
    rows = clean(expectation)
    written = rows.at(Grid.of(expectation).ts_close) if at_end else rows
    report = report_of(tmp_path / "x.csv", written, "SHFE.cu1906", interval)
    assert (report.is_clean, report.expected, report.present) == (True, len(rows), len(rows))
    assert (CLOSING in report.remarks) == at_end
    hole = report_of(tmp_path / "y.csv", without(written, 40), "SHFE.cu1906", interval)
    assert codes(hole) == {"missing_bar": 1}


@pytest.mark.parametrize(
    ("zone", "late"),
    [(UTC, "all rows are 8 h early"), (ZoneInfo("America/New_York"), "all rows are 12 h early")],
)
@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("instrument", ["shfe.cu1906", "dce.jd1909", "cffex.IF1906"])
def test_times_of_another_zone_are_one_defect(
    zone: timezone, late: str, at_end: bool, instrument: str, tmp_path: Path
) -> None:
    venue, symbol = instrument.split(".")
    rows = clean(expected(venue, symbol, days=("20190513", "20190517")))
    written = rows.at(rows.ts + 60 * 10**9) if at_end else rows
    report = report_of(tmp_path / "x.csv", written, instrument, "1m", in_zone(zone))
    assert [(defect.code, defect.text, defect.total) for defect in report.defects] == [("wrong_zone", late, len(rows))]
    assert report.missing == report.unexpected == 0


@pytest.mark.parametrize("instrument", ["shfe.cu1906", "czce.SR909", "cffex.IF1906"])
@pytest.mark.parametrize("form", ["%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%d 15:00:00"])
def test_days_bear_their_date_however_it_is_written(instrument: str, form: str, tmp_path: Path) -> None:
    venue, symbol = instrument.split(".")
    expectation = expected(venue, symbol, "1d", DAYS)
    rows = clean(expectation).at(np.array([midnight(day_of(day)) for day in expectation.trading_days]))
    report = report_of(tmp_path / "x.csv", rows, instrument, "", in_zone(CHINA, form))
    assert (report.dataset.interval, report.is_clean, report.expected) == ("1d", True, 30)
    hole = report_of(tmp_path / "y.csv", without(rows, [7, 8]), instrument, "", in_zone(CHINA, form))
    assert codes(hole) == {"missing_range": 2}


@pytest.mark.parametrize("which", ["monday", "last", "open"])
def test_weeks_bear_their_monday_or_their_last_day(which: str, tmp_path: Path) -> None:
    expectation = expected("shfe", "cu1906", "1w", ("20190401", "20190531"))
    rows = clean(expectation)
    days = [day_of(day) for day in expectation.trading_days]
    if which != "open":
        chosen = [day - timedelta(days=day.weekday()) if which == "monday" else day for day in days]
        rows = rows.at(np.array([midnight(day) for day in chosen]))
    report = report_of(tmp_path / "x.csv", rows, "shfe.cu1906", "1w")
    assert (report.is_clean, report.expected, report.present) == (True, 9, 9)


@pytest.mark.parametrize("interval", ["1m", "3m", "15m", "1h", "4h", "12h", "1d", "1w"])
@pytest.mark.long_on("3m")
def test_a_market_that_never_closes_has_every_bar(interval: str, tmp_path: Path) -> None:
    rows = clean(expected("binance", "BTC-USDT", interval, ("20240101", "20240331")))
    report = report_of(tmp_path / "x.csv", rows, "BTC-USDT", "", in_zone(UTC))
    assert (report.dataset.interval, report.is_clean, report.present) == (interval, True, len(rows))
