"""`marketprism data download --datafeed`: bars of a Chinese contract into a folder, checked by its calendar."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from pyarrow import parquet

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_services.platform.exits import Exit
from tests.integration.downloads.test_download_command import command
from tests.support.vnpy_datafeed import Feed, datafeed

CHINA = timezone(timedelta(hours=8))
DAYS = ("20240315", "20240318", "20240319")
RANGE = ["--venue", "shfe", "--from", "2024-03-14T21:00", "--to", "2024-03-19T15:00"]


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unique: str) -> Feed:
    found = datafeed(tmp_path, monkeypatch, unique)
    schedule = chinese_calendar_of_markets().schedule("shfe", "rb2410")
    found.made.bars[:] = found.minutes("rb2410", schedule, DAYS, CHINA)
    return found


async def test_bars_of_a_datafeed_are_downloaded_checked_and_had_once(feed: Feed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["rb2410", *RANGE, "--datafeed", feed.name, "--out", str(out)]
    done = await command(*arguments)
    assert done.code == 0, done
    assert "1035 rows" in done.err
    assert "nothing is wrong" in done.out
    files = sorted((out / "kind=bar" / "venue=shfe" / "symbol=rb2410" / "interval=1m").glob("*/rows.parquet"))
    rows = [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]
    assert len(rows) == 1_035
    assert {row["trading_day"] for row in rows} == set(DAYS)
    asked = len(feed.made.asked)
    again = await command(*arguments, "--json")
    assert (again.code, json.loads(again.out)["plan"]["requests"], len(feed.made.asked)) == (0, 0, asked)


async def test_a_minute_that_the_datafeed_lacks_is_named_where_it_must_be_there(feed: Feed, tmp_path: Path) -> None:
    del feed.made.bars[500]
    out = str(tmp_path / "out")
    done = await command("rb2410", *RANGE, "--datafeed", feed.name, "--out", out, "--json")
    report = json.loads(done.out)["check"]
    assert (report["expected"], report["present"]) == (1_035, 1_034)
    assert report["missing"] + report["empty"] == 1


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--datafeed", "nosuch"], "expected a module with a Datafeed"),
        (["--kind", "kline"], "--kind: expected one of bar, was 'kline'"),
        (["--venue", "binance"], "--venue: expected one of"),
        (["--interval", "5m"], "interval: expected one of 1m, 1h, 1d, 1w, was '5m'"),
    ],
)
async def test_what_a_datafeed_has_not_is_refused(feed: Feed, tmp_path: Path, more: list[str], text: str) -> None:
    out = str(tmp_path / "out")
    done = await command("rb2410", *RANGE, "--datafeed", feed.name, "--out", out, *more)
    assert done.code == Exit.USAGE
    assert text in done.err


async def test_a_download_goes_somewhere(feed: Feed) -> None:
    done = await command("rb2410", *RANGE, "--datafeed", feed.name)
    assert (done.code, done.err) == (Exit.USAGE, "--out: expected a folder, or --store, was none")
    both = await command("BTC-USDT", "--venue", "binance", "--from", "2024-01-01", "--out", "x", "--store")
    assert (both.code, both.err) == (
        Exit.USAGE,
        "--out: expected none with --store, which the data service downloads",
    )
