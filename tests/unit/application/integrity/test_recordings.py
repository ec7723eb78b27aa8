"""Recorded series: what is missing in them is found, and nothing that is right is called wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.integrity.file_check import CheckAsked, check_file
from marketprism_application.ports.imports import FileHints
from marketprism_domain.integrity.report import IntegrityReport
from tests.conftest import FIXTURES
from tests.support.bar_series import CALENDAR, LATER, china

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no recordings at {FIXTURES}")
BARS = FIXTURES / "ctp" / "bars"


def report_of(path: Path, *witnesses: Path, hints: FileHints | None = None, **asked: object) -> IntegrityReport:
    def opened(each: Path):  # type: ignore[no-untyped-def]
        file = open_rows_file(each, hints)
        return file, file.facts.series[0]

    file, series = opened(path)
    return check_file(
        file,
        series,
        CALENDAR,
        CheckAsked(LATER, **asked),
        [opened(each) for each in witnesses],  # type: ignore[arg-type]
    )


def findings(report: IntegrityReport) -> list[tuple[str, str, int]]:
    return [(defect.code, defect.trading_day, defect.total) for defect in report.defects]


def test_copper_lacks_111_minutes_and_nothing_else() -> None:
    report = report_of(BARS / "tq_SHFE.cu1905_1m.csv.gz")
    assert (report.expected, report.present, report.missing, report.unexpected) == (21_840, 21_729, 111, 0)
    assert findings(report) == [("missing_range", "20190305", 111)]
    defect = report.defects[0]
    assert (defect.ts_from, defect.ts_to) == (china("20190304", 21), china("20190304", 22, 51))
    assert (report.score, report.grade) == (99.49, "A")


@pytest.mark.parametrize("name", ["SHFE.cu1905", "DCE.jd1909"])
def test_minutes_add_up_to_the_vendors_days(name: str) -> None:
    # Copper opened on 2019-05-13 at 47710, in its first minute with a trade; the minutes before it repeat 47760.
    report = report_of(BARS / f"tq_{name}_1m.csv.gz", BARS / f"tq_{name}_1d.csv.gz")
    assert {defect.code for defect in report.defects} == {"missing_range"}
    assert next(check for check in report.checks if check.group == "day_sums").ran


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tq_SHFE.cu1905_1d.csv.gz", []),
        ("tq_DCE.jd1909_1d.csv.gz", []),
        ("tq_CFFEX.T2003_1m.csv.gz", [("missing_range", "20191223", 6)]),
        ("tq_DCE.jd1909_1m.csv.gz", [("missing_range", "20190305", 36), ("missing_range", "20190708", 12_722)]),
        ("ru1901_day_2018.csv", []),
        ("ru1901_20181009_min1_v2.csv", []),
        ("ru1901_20181010_min1_v2.csv", []),
    ],
)
def test_what_vendors_wrote(name: str, found: list[tuple[str, str, int]]) -> None:
    report = report_of(BARS / name)
    assert findings(report) == found
    assert report.unexpected == 0


def test_bars_of_four_minutes_by_the_clock_lack_what_the_minutes_lack() -> None:
    report = report_of(BARS / "tq_SHFE.bu1912_4m.csv.gz")
    assert {defect.code for defect in report.defects} == {"missing_range"}
    assert (report.unexpected, report.present) == (0, 13_966)


def test_bars_that_bear_their_end_and_run_backwards() -> None:
    report = report_of(BARS / "rb2401_1m_ctpbee.csv.gz")
    assert "rows bear the time at which their bars close" in report.remarks
    # The night of Friday the 22nd is not there; what the call auctions traded has bars of its own.
    assert findings(report)[0] == ("missing_range", "20230925", 120)
    assert {finding[0] for finding in findings(report)[1:]} == {"unexpected_bar"}
    assert report.unexpected == 5


@pytest.mark.parametrize("minutes", ["1m", "5m"])
def test_a_sparse_series_raises_no_false_alarm(minutes: str) -> None:
    name = {"1m": "ft_XRPETH_1m_20191011.csv.gz", "5m": "ft_XRPETH_5m_20191011.csv"}[minutes]
    tape = FIXTURES / "binance" / "spot" / "ft_XRPETH_trades_20191011.csv.gz"
    report = report_of(FIXTURES / "bars" / name, tape)
    assert report.is_clean
    assert report.missing == 0
    assert report.empty > 100
    assert next(check for check in report.checks if check.group == "trades").ran


def test_a_tape_and_rates_are_whole() -> None:
    tape = report_of(FIXTURES / "binance" / "spot" / "ft_XRPETH_trades_20191011.csv.gz")
    assert (tape.is_clean, tape.expected, tape.present) == (True, 12_477, 12_477)
    rates = report_of(FIXTURES / "bars" / "ft_XRP_USDT_USDT-8h-funding_rate.csv")
    assert (rates.is_clean, rates.expected) == (True, 91)


@pytest.mark.parametrize(
    "name",
    [
        "lean_cf_binance_adausdt_20221213_trade.zip",
        "lean_cf_binance_hour_adausdt_trade.zip",
        "lean_cf_binance_daily_adausdt_trade.zip",
        "lean_crypto_binance_btcbusd_20221213_trade.zip",
        "tl_btcusdt_futures_usdt_1h_2024w01.parquet",
        "tl_btcusdt_spot_1h_2024w01.parquet",
    ],
)
def test_whole_days_of_coins_are_clean(name: str) -> None:
    report = report_of(FIXTURES / "bars" / name)
    assert (report.is_clean, report.missing) == (True, 0)


def test_a_range_of_dates_is_one_of_the_bars_of_these_days() -> None:
    days = report_of(BARS / "tq_SHFE.cu1905_1d.csv.gz", ts_from=china("20190102"), ts_to=china("20190201"))
    assert (days.is_clean, days.expected, days.present, days.unexpected) == (True, 22, 22, 0)
    assert (days.coverage[0].trading_day, days.coverage[-1].trading_day) == ("20190102", "20190131")


def test_a_range_is_of_openings_also_where_rows_bear_their_ends() -> None:
    path = BARS / "rb2401_1m_ctpbee.csv.gz"
    report = report_of(path, ts_from=china("20230926", 9), ts_to=china("20230926", 15))
    assert (report.is_clean, report.expected, report.present, report.rows) == (True, 225, 225, 225)


def test_a_range_that_is_asked_for_is_the_range() -> None:
    path = BARS / "tq_SHFE.cu1905_1m.csv.gz"
    assert report_of(path, ts_from=china("20190305", 9), ts_to=china("20190306", 15)).is_clean
    early = report_of(path, ts_from=china("20190301", 9))
    assert (early.missing, early.coverage[0].state) == (225 + 465 + 111, "empty")


def test_the_last_minutes_of_1_minute_bars_are_cut_by_now() -> None:
    path = BARS / "tq_SHFE.cu1905_1m.csv.gz"
    file = open_rows_file(path)
    now = china("20190430", 10)
    report = check_file(file, file.facts.series[0], CALENDAR, CheckAsked(now, ts_to=now + 10**18))
    assert "to lies in the future: checked until now" in report.remarks
    assert report.missing == 111
