"""`marketprism data` on files, without any server."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism_application.errors import SourceError
from marketprism_services.cli import app as program
from marketprism_services.platform.exits import Stop
from tests.conftest import FIXTURES
from tests.support.import_files import aggregated, kline, klines_in_us, spot_klines, vnpy_csv, zipped


def run(*words: str, code: int = 0) -> str:
    """What a command prints on standard output."""
    done = CliRunner().invoke(program.app, ["data", *words], env={"COLUMNS": "200", "MARKETPRISM_LANG": "en"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def checked(*words: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("check", *words, "--json", code=code))
    return found


def day_of_klines(folder: Path, *, without: tuple[int, ...] = ()) -> Path:
    rows = [kline(n) for n in range(1440) if n not in without]
    return zipped(folder / "day.zip", "BTCUSDT-1m-2024-01-01.csv", "\n".join(rows) + "\n")


def test_a_whole_day_is_clean_and_a_hole_is_three(tmp_path: Path) -> None:
    report = checked(str(day_of_klines(tmp_path)), "--interval", "1m")
    assert {
        name: report[name] for name in ("expected", "present", "missing", "unexpected", "duplicate", "defects")
    } == {
        "expected": 1440,
        "present": 1440,
        "missing": 0,
        "unexpected": 0,
        "duplicate": 0,
        "defects": [],
    }
    assert (report["clean"], report["score"], report["grade"]) == (True, 100.0, "A")
    holed = checked(str(day_of_klines(tmp_path, without=(7, 100, 101))), code=3)
    assert [(defect["code"], defect["count"]) for defect in holed["defects"]] == [
        ("missing_bar", 1),
        ("missing_range", 2),
    ]
    assert holed["defects"][0]["from"] == "2024-01-01T00:07:00Z"
    assert holed["coverage"] == [{"trading_day": "20240101", "expected": 1440, "present": 1437, "state": "partly"}]


def test_what_is_shown_says_what_ran_and_what_could_not(tmp_path: Path) -> None:
    text = run("check", str(day_of_klines(tmp_path, without=(7,))), code=3)
    assert "binance.BTC-USDT 1m, 2024-01-01 00:00 - 2024-01-02 00:00, UTC" in text
    assert re.search(r"missing_bar +2024-01-01 00:07:00 +2024-01-01 00:08:00 +1 ", text)
    assert "not checked: step: no terms of the instrument: its price step is not known" in text
    assert "read as a file of binance: --venue says otherwise" in text
    steps = run("check", str(day_of_klines(tmp_path)), "--price-tick", "0.01", "--quantity-step", "0.001")
    assert "not checked: step" not in steps
    assert "nothing is wrong" in steps


def test_a_sum_that_is_not_there_is_a_defect(tmp_path: Path) -> None:
    path = day_of_klines(tmp_path)
    path.with_name("day.zip.CHECKSUM").unlink()
    report = checked(str(path), code=3)
    assert [(defect["code"], defect["text"]) for defect in report["defects"]] == [
        ("checksum", "no day.zip.CHECKSUM beside it")
    ]


def test_reports_are_written_as_files(tmp_path: Path) -> None:
    outputs = {form: tmp_path / f"r.{form}" for form in ("csv", "html", "md")}
    options = [word for form, path in outputs.items() for word in (f"--{form}", str(path))]
    run("check", str(day_of_klines(tmp_path, without=(7, 8))), *options, code=3)
    rows = list(csv.DictReader(io.StringIO(outputs["csv"].read_text())))
    assert [(row["code"], row["count"]) for row in rows] == [("missing_range", "2")]
    assert "| missing_range | 2024-01-01T00:07:00Z | 2024-01-01T00:09:00Z | 2 |" in outputs["md"].read_text()
    page = outputs["html"].read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert re.findall(r"(?:src|href)=|@import|url\(", page) == []  # nothing beside itself is needed
    assert 'class="c3" title="20240101: 1438 / 1440"' in page
    for text in ("missing", "缺失", "bars that must be there are not", "缺若干根应有的 K 线", "coverage", "覆盖情况"):
        assert text in page


def test_a_page_shows_no_markup_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = vnpy_csv(tmp_path).read_text().replace("rb2405", "<b>x</b>").replace("SHFE", "okx")
    path.write_text(rows)
    page = tmp_path / "r.html"
    run("check", str(path), "--dense", "--html", str(page), code=3)
    assert "<b>x</b>" not in page.read_text(encoding="utf-8")
    assert "&lt;b&gt;x&lt;/b&gt;" in page.read_text(encoding="utf-8")


def test_a_range_terms_and_a_witness_are_taken(tmp_path: Path) -> None:
    path = str(day_of_klines(tmp_path))
    early = checked(path, "--from", "2023-12-31T23:00", "--to", "2024-01-01T00:10", code=3)
    assert (early["expected"], early["missing"]) == (70, 60)
    listed = checked(path, "--from", "2023-12-31T23:00", "--to", "2024-01-01T00:10", "--listed", "2024-01-01")
    assert listed["expected"] == 10
    halted = checked(path, "--from", "2023-12-31T23:00", "--halt", "2023-12-31T22:00/2024-01-01T00:00")
    assert halted["expected"] == 1440
    off = checked(path, "--price-tick", "0.5", code=3)
    assert {defect["code"] for defect in off["defects"]} == {"off_tick"}
    (tmp_path / "other").mkdir()
    other = day_of_klines(tmp_path / "other", without=(5,))
    held = checked(str(other), "--sparse", "--witness", path, code=3)
    assert [(defect["code"], defect["count"]) for defect in held["defects"]] == [("missing_bar", 1)]


def test_trades_are_checked_by_their_numbers(tmp_path: Path) -> None:
    report = checked(str(aggregated(tmp_path)))
    assert (report["dataset"]["kind"], report["expected"], report["missing"]) == ("trade", 3, 0)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nowhere.csv"], "file nowhere.csv: expected a file, was none"),
        (["{file}", "--interval", "7x"], "interval: expected a number and one of s m h d w"),
        (["{file}", "--venue", "binanse"], "--venue: expected one of .* was 'binanse'; did you mean 'binance'"),
        (["{file}", "--kind", "barr"], "--kind: expected one of bar, kline, trade, was 'barr'; did you mean 'bar'"),
        (["{file}", "--from", "2024-01-02", "--to", "2024-01-01"], "--to: expected at or after --from"),
        (["{file}", "--from", "2024-01-02", "--to", "2024-01-02"], "--to: expected after --from 2024-01-02"),
        (["{file}", "--from", "2010-01-01"], "from: expected at most ten years of 1m bars, or --confirm"),
        (["{file}", "--from", "2100-01-01"], "expected"),
        (["{file}", "--map", "open"], "--map: expected field=column, was 'open'"),
        (["{file}", "--map", "opne=open"], "--map opne: expected one of .*; did you mean 'open'"),
        (["{file}", "--price-tick", "-1"], "--price-tick: expected a number above zero, was '-1'"),
        (["{file}", "--halt", "2024-01-01"], "--halt: expected begin/end"),
        (
            ["{file}", "--alignment", "sesion"],
            "--alignment: expected one of session, clock, wall.*; did you mean 'session'",
        ),
        (["{file}", "--symbol", "qq1905", "--venue", "shfe"], "--symbol: expected a product of shfe, was 'qq1905'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(words: list[str], error: str, tmp_path: Path) -> None:
    path = str(day_of_klines(tmp_path))
    with pytest.raises((Stop, Exception), match=error) as refused:
        run("check", *(word.format(file=path) for word in words))
    assert type(refused.value).__name__ in ("Stop", "SourceError")


def test_a_future_end_is_cut_to_now_and_ten_years_may_be_confirmed(tmp_path: Path) -> None:
    path = str(day_of_klines(tmp_path))
    report = checked(path, "--to", "2100-01-01", "--from", "2024-01-01", "--sparse")
    assert "to lies in the future: checked until now" in report["remarks"]
    assert checked(path, "--from", "2013-01-01", "--sparse", "--confirm")["empty"] > 4_000 * 1440


def test_several_series_of_a_file_have_to_be_chosen(tmp_path: Path) -> None:
    path = vnpy_csv(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *(line.replace("rb2405", "hc2405") for line in lines[1:])]) + "\n")
    with pytest.raises(Stop, match=r"--symbol: expected one of the 2 series of the file"):
        run("check", str(path))
    report = checked(str(path), "--symbol", "HC2405", "--sparse")
    assert report["dataset"]["symbol"] == "hc2405"


def test_coverage_and_formats(tmp_path: Path) -> None:
    path = str(day_of_klines(tmp_path, without=(7,)))
    assert "2024-01 ▓" in run("coverage", path)
    days = json.loads(run("coverage", path, "--json"))
    assert days == {
        "binance.BTC-USDT 1m": [{"trading_day": "20240101", "expected": 1440, "present": 1439, "state": "partly"}]
    }
    assert {row["format"] for row in json.loads(run("formats", "--json"))} >= {
        "binance-vision",
        "tardis",
        "vnpy",
        "tqsdk",
    }
    assert "freqtrade" in run("formats")


def test_bars_of_another_interval_than_the_rows_are_refused(tmp_path: Path) -> None:
    path = str(day_of_klines(tmp_path))
    with pytest.raises(SourceError, match="interval: expected 1m, which the rows are apart, was 1h"):
        run("check", path, "--interval", "1h")


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no recordings")
@pytest.mark.long
def test_a_recording_of_ticks_is_checked_as_the_bars_that_it_makes() -> None:
    report = checked(str(FIXTURES / "ctp" / "ticks" / "CFFEX_IF2101_20210104.csv.gz"))
    assert (report["file"]["format"], report["expected"], report["present"]) == ("recording", 240, 240)
    ru = checked(str(FIXTURES / "ctp" / "ticks" / "ru1901_20181009.csv.gz"), "--interval", "15m")
    assert (ru["present"], ru["unexpected"]) == (23, 0)
    with pytest.raises(SourceError, match=r"expected settings of VeighNa with database\.name, was other JSON"):
        run("check", str(FIXTURES / "ctp" / "reference" / "wt_fees.json"))


def test_what_was_guessed_of_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rb2405.csv"
    rows = "".join(f"2024-01-02 09:{n:02d},4000,4003,3998,400{n % 3},{n + 1}\n" for n in range(60))
    path.write_text("日期,开盘价,最高价,最低价,收盘价,成交量\n" + rows)
    report = checked(str(path), code=3)
    assert report["file"]["guessed"] is True
    assert report["file"]["columns"]["最高价"] == "high"
    assert "rb2405 by the name of the file: --symbol says otherwise" in report["remarks"]


def test_mixed_units_of_one_file_are_named(tmp_path: Path) -> None:
    rows = [kline(n, 1_000 if n == 700 else 1) for n in range(1440)]
    path = zipped(tmp_path / "mixed.zip", "BTCUSDT-1m-2024-01-01.csv", "\n".join(rows) + "\n")
    report = checked(str(path), code=3)
    assert [(defect["code"], defect["count"], defect["rows"][0]["row"]) for defect in report["defects"]] == [
        ("time_unit", 1, 701)
    ]
    assert spot_klines(tmp_path).is_file()
    assert checked(str(klines_in_us(tmp_path)), "--sparse")["present"] == 3
