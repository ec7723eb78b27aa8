"""`marketprism data download`: without any server, repeated, with every bad input."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from marketprism_application.errors import ApplicationError
from marketprism_sdk.service import die_with_parent
from marketprism_services.cli.app import app
from marketprism_services.platform.exits import Stop, code_of
from tests.support.downloads import DAY, LISTED, LISTED_MS, digests, simulated

FOREVER = ["--from", "2024-01-01", "--to", "2024-01-06"]
HOLE = (LISTED_MS + 2_000 * 60_000, LISTED_MS + 2_005 * 60_000)


class Ended(NamedTuple):
    """How a command ended: its exit code and what it wrote."""

    code: int | None
    out: str
    err: str


async def command(*arguments: str) -> Ended:
    """Run `marketprism data download` in a thread of this process, beside the simulated venue."""
    done = await asyncio.to_thread(CliRunner().invoke, app, ["data", "download", *arguments], env={"COLUMNS": "200"})
    if isinstance(done.exception, Stop):
        return Ended(done.exception.code, done.stdout, str(done.exception))
    assert isinstance(done.exception, SystemExit | ApplicationError | None), done.exception
    if isinstance(done.exception, ApplicationError):
        return Ended(code_of(done.exception), done.stdout, str(done.exception))
    return Ended(done.exit_code, done.stdout, done.stderr)


async def chinese(*arguments: str) -> Ended:
    """The same as a process of its own, of somebody whose language is Chinese."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "marketprism_services", "data", "download", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "MARKETPRISM_LANG": "zh_CN", "COLUMNS": "200"},
        preexec_fn=die_with_parent(),
    )
    out, err = await child.communicate()
    return Ended(child.returncode, out.decode(), err.decode())


async def test_it_downloads_checks_and_has_nothing_to_do_afterwards(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    async with simulated("binance", share=0.1) as venue:
        first = ["BTC-USDT", "--venue", "binance", *FOREVER, "--rest-url", venue.rest_url, "--out", out]
        planned = await command(*first, "--dry-run")
        assert (planned.code, planned.out) == (0, "")
        assert "8 requests at least, in 2 parts; 0 s at least by the budget of the source" in planned.err
        assert not (await asyncio.to_thread(digests, tmp_path))
        done = await command(*first)
        assert done.code == 0, done
        assert "2 of 2 parts, 7200 rows" in done.err
        assert "nothing is wrong" in done.out
        files = await asyncio.to_thread(digests, tmp_path)
        again = await command(*first, "--json")
        found = json.loads(again.out)
        assert (again.code, found["parts"], found["plan"]["requests"], found["check"]["clean"]) == (0, 0, 0, True)
        assert found["bounds"]["first"] == LISTED
        assert await asyncio.to_thread(digests, tmp_path) == files
        spoken = await chinese(*first, "--mode", "all")
        assert "2 个分段" in spoken.err
        assert "7200 行" in spoken.err
        assert await asyncio.to_thread(digests, tmp_path) == files


async def test_a_hole_of_the_venue_is_named_and_a_range_before_the_listing_is_empty(tmp_path: Path) -> None:
    async with simulated("binance-usdm", holes=[HOLE]) as venue:
        given = ["BTC-USDT-PERP", "--venue", "binance-usdm", "--rest-url", venue.rest_url, "--out", str(tmp_path)]
        holed = await command(*given, *FOREVER, "--json")
        found = json.loads(holed.out)
        assert holed.code == 3
        assert [(hole["ts_from"], hole["ts_to"], hole["cause"]) for hole in found["holes"]] == [
            (HOLE[0] * 1_000_000, HOLE[1] * 1_000_000, "venue_missing")
        ]
        assert [defect["code"] for defect in found["check"]["defects"]] == ["missing_range"]
        early = await command(*given, "--from", "2023-11-01", "--to", "2023-11-05", "--json")
        found = json.loads(early.out)
        assert (early.code, found["rows"], found["plan"]["requests"]) == (0, 0, 0)
        assert found["bounds"]["first"] == LISTED
        assert "check" not in found


async def test_an_archive_of_files_and_every_kind(tmp_path: Path) -> None:
    async with simulated("binance-usdm") as venue:
        given = [
            "BTC-USDT-PERP",
            "--venue",
            "binance-usdm",
            "--archive",
            venue.rest_url,
            "--out",
            str(tmp_path),
            "--json",
        ]
        for kind, rows in (("kline", 7_200), ("trade", 21_600), ("funding_rate", 15), ("open_interest", 1_440)):
            done = await command(*given, *FOREVER, "--kind", kind)
            found = json.loads(done.out)
            assert (done.code, found["rows"], found["source"]) == (0, rows, "archive"), (kind, done.err)
        listed = await command(*given, "--kind", "instrument")
        assert listed.code == 2
        assert "kind: expected one of kline, trade, funding_rate, open_interest, was 'instrument'" in listed.err


BAD = [
    (
        ["BTX-USDT", "--venue", "binance", *FOREVER],
        "symbol: expected one of binance, was 'BTX-USDT'; did you mean 'BTC",
    ),
    (["BTC-USDT", "--venue", "binanse", *FOREVER], "--venue: expected one of .*did you mean 'binance'"),
    (
        ["BTC-USDT", "--venue", "binance", "--kind", "klines", *FOREVER],
        "--kind: expected one of .*did you mean 'kline'",
    ),
    (["BTC-USDT", "--venue", "binance", "--interval", "2m", *FOREVER], "interval: expected one of binance .*'2m'"),
    (["BTC-USDT", "--venue", "binance", "--kind", "trade", "--interval", "1m", *FOREVER], "interval: expected one of"),
    (["BTC-USDT", "--venue", "binance", "--from", "2024-01-02", "--to", "2024-01-02"], "--to: expected after --from"),
    (["BTC-USDT", "--venue", "binance", "--from", "2024-01-02", "--to", "2024-01-01"], "--to: expected at or after"),
    (["BTC-USDT", "--venue", "binance", "--from", "2190-01-02"], "--from: expected a time before now"),
    (["BTC-USDT", "--venue", "binance"], "--from: expected the begin of the range"),
    (["BTC-USDT", "--venue", "binance", "--from", "2011-01-01"], "--from: expected at most ten years of 1m bars"),
    (["BTC-USDT", "--venue", "binance", "--mode", "some", *FOREVER], "--mode: expected one of missing, all"),
    (["BTC-USDT", "--venue", "okx", "--archive", "/nowhere", *FOREVER], "archive: expected a market that has one"),
    (["BTC USDT", "--venue", "binance", *FOREVER], "symbol: expected"),
]


async def test_bad_input_is_refused_in_words_before_anything_is_written(tmp_path: Path) -> None:
    import re  # noqa: PLC0415 (this test alone)

    async with simulated("binance") as venue:
        ended = [await command(*given, "--rest-url", venue.rest_url, "--out", str(tmp_path)) for given, _ in BAD]
    for (given, words), found in zip(BAD, ended, strict=True):
        assert found.code == 2, (given, found)
        assert re.search(words, found.err.replace("\n", " ")), (given, found.err)
    assert await asyncio.to_thread(digests, tmp_path) == {}


async def test_an_end_in_the_future_is_now_and_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    now = LISTED_MS + 2 * DAY // 1_000_000
    async with simulated("deribit", now_ms=lambda: now) as venue:
        given = ["BTC-USD-PERP", "--venue", "deribit", "--rest-url", venue.rest_url]
        wide = ["--interval", "1d", "--from", "2024-01-01", "--to", "2199-01-01", "--dry-run"]
        future = await command(*given, *wide, "--out", str(tmp_path))
        assert future.code == 0, future
        assert "--to lies in the future: downloaded until now" in future.err
        blocked = tmp_path / "file"
        await asyncio.to_thread(blocked.write_text, "")
        done = await command(*given, *FOREVER, "--out", str(blocked))
        assert done.code == 5
        assert "expected one that can be written" in done.err
    lost = await command("BTC-USDT", "--venue", "binance", *FOREVER, "--archive", "/nowhere", "--out", str(tmp_path))
    assert lost.code == 3
    assert "archive: expected a folder or an http(s) URL, was '/nowhere'" in lost.err


@pytest.mark.parametrize("market", ["okx", "bybit", "bybit-linear", "deribit", "binance-coinm"])
async def test_every_market_is_downloaded(market: str, tmp_path: Path) -> None:
    async with simulated(market, share=0.1, seed=3) as venue:
        symbol = next(iter(venue.past.pasts.values())).pair.symbol
        given = [symbol, "--venue", market, *FOREVER, "--rest-url", venue.rest_url, "--out", str(tmp_path)]
        done = await command(*given)
    assert done.code == 0, done
    assert "7200 rows" in done.err
    assert "nothing is wrong" in done.out
