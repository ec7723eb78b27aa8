"""The whole product as a stranger runs it: processes, a real nats-server, chDB, kill -9."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import msgpack
import nats
import pytest

from marketprism_client import MarketClient
from marketprism_services.platform.catalogue import in_up
from tests.e2e.program import look, process_of, run, start
from tests.support.recordings import part_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480), pytest.mark.xdist_group("e2e")]
DEPTH = {
    "v",
    "venue",
    "symbol",
    "source",
    "epoch",
    "seq",
    "ts_event",
    "ts_recv",
    "ts_pub",
    "last",
    "volume",
    "turnover",
    "open_interest",
    "open",
    "high",
    "low",
    "pre_close",
    "pre_settlement",
    "limit_up",
    "limit_down",
    "bids",
    "asks",
    "trading_day",
    "phase",
    "quality_score",
    "verdict",
}


def verdict(*arguments: str) -> dict[str, Any]:
    done = run("up", *arguments, "--once", "--json", timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert (result["missing"], result["duplicates"]) == (0, 0)
    assert result["rows_stored"] == result["rows_read_back"] == result["published"]
    assert result["ticks_read"] == result["published"] + sum(result["rejected"].values())
    return result


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.long
def test_a_recording_killed_in_the_middle_is_stored_once_and_its_bars_are_those_of_the_exchange(
    fixtures: Path, tmp_path: Path
) -> None:
    # A sixth of its rows: the first and the last of the trading day are among them, and every minute is.
    recording = str(part_of(fixtures / "ctp/ticks/ru1901_20181008.csv.gz", tmp_path, slice(0, None, 6)))
    source = ["--source", f"replay:{recording}", "--data-dir", str(tmp_path), "--nats-port", "0"]
    # However many processes the services share: all of them one, two, three.
    doomed = start("up", *source, "--speed", "2000", "--processes", "1")
    process_of(doomed.pid, "gateway")
    time.sleep(2)
    os.killpg(doomed.pid, signal.SIGKILL)
    doomed.communicate()
    result = verdict(*source, "--speed", "max", "--processes", "2")
    assert result["published"] == 6_424
    assert result["bars"]["1m"] == 345
    staying = start("up", "--data-dir", str(tmp_path), "--nats-port", "0", "--processes", "3")
    try:
        live = eventually_bars(tmp_path, "ru1901", "1d")
        minutes = look("bars", "ru1901", "--interval", "1m", "--format", "csv", "--data-dir", str(tmp_path)).stdout
        check_a_foreign_reader((tmp_path / "run" / "url").read_text(), tmp_path)
        check_other_formats(tmp_path)
    finally:
        staying.terminate()
        output, _ = staying.communicate(timeout=30)
    assert staying.returncode == 0, output
    assert "ru1901" in output
    with (fixtures / "ctp/bars/ru1901_day_2018.csv").open() as file:
        official = {row["Date"]: row for row in csv.DictReader(file)}
    for row in rows_of(live):
        exchange = official[row["trading_day"]]
        ours = [float(row[name]) for name in ("open", "high", "low", "close", "volume", "turnover", "open_interest")]
        assert ours == [
            float(exchange[name]) for name in ("Open", "High", "Low", "Close", "Volume", "Amount", "EndOpenInt")
        ]
        assert (row["gap"], row["revision"]) == ("false", "0")
    assert [row["trading_day"] for row in rows_of(live)] == ["20181008"]
    offline = tmp_path / "offline.csv"
    assert look("rebuild", recording, "--interval", "1m,1d", "--output", str(offline)).returncode == 0
    assert of_interval("1m", offline.read_text()) == minutes
    assert of_interval("1d", offline.read_text()) == live


def of_interval(interval: str, text: str) -> str:
    """The bars of one interval among those of several, as CSV."""
    header, *rows = text.splitlines(keepends=True)
    return "".join([header, *(row for row in rows if f",{interval}," in row)])


def eventually_bars(data_dir: Path, symbol: str, interval: str) -> str:
    for _ in range(60):
        done = look("bars", symbol, "--interval", interval, "--format", "csv", "--data-dir", str(data_dir))
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.5)
    raise AssertionError(done.stdout + done.stderr)


def client_of(data_dir: Path) -> dict[str, str]:
    """What nats-py shows of the user who may read streams."""
    return {"user": "client", "password": (data_dir / "run/nats/client").read_text().strip()}


def check_a_foreign_reader(url: str, data_dir: Path) -> None:
    """A program with nats-py and msgpack alone reads every field of the contract."""

    async def read() -> None:
        connection = await nats.connect(url, **client_of(data_dir))
        log, messages = connection.jetstream(), []
        for _ in range(50):
            after = messages[-1].seq + 1 if messages else 1
            found = await log.get_msg("MARKET_TICKS", after, subject="market.tick.ru1901", direct=True, next=True)
            messages.append(found)
        await connection.close()
        seqs = [msgpack.unpackb(message.data)["seq"] for message in messages]
        assert seqs == list(range(1, 51))
        tick = msgpack.unpackb(messages[-1].data)
        assert set(tick) >= DEPTH
        assert "settlement" not in tick  # the venue sent none: absent, not zero
        assert all(isinstance(tick[name], str) for name in ("last", "volume", "turnover", "limit_up"))
        assert (tick["venue"], tick["symbol"], tick["trading_day"], tick["phase"]) == (
            "shfe",
            "ru1901",
            "20181008",
            "continuous",
        )

    asyncio.run(read())


def check_a_replay(data_dir: Path) -> None:
    """Yesterday once more, on subjects of its own, as a strategy would hear it."""
    where = ("--data-dir", str(data_dir))
    day = ("--from", "2018-10-08T09:00", "--to", "2018-10-08T09:30")

    async def listen() -> None:
        url = (data_dir / "run" / "url").read_text().strip()
        connection = await nats.connect(url, **client_of(data_dir))
        heard = await connection.subscribe("replay.market.tick.ru1901")
        await connection.flush()
        command = ("replay", "--symbol", "ru1901", *day, "--speed", "max", *where)
        done = await asyncio.to_thread(look, *command)
        assert (done.returncode, "ticks sent" in done.stderr) == (0, True), done.stderr
        ticks = []
        while heard.pending_msgs or not ticks:
            ticks.append(msgpack.unpackb((await heard.next_msg(timeout=5)).data))
        async with MarketClient(url) as market:
            stored = await market.ticks_between("ru1901", day[1], day[3])
        assert [tick["seq"] for tick in ticks] == stored.column("seq").to_pylist()
        assert [tick["ts_event"] for tick in ticks] == stored.column("ts_event").to_pylist()
        live = await connection.jetstream().get_last_msg("MARKET_TICKS", "market.tick.ru1901", direct=True)
        assert set(ticks[0]) == set(msgpack.unpackb(live.data))
        await connection.close()

    asyncio.run(listen())
    for arguments, text in (
        (("--symbol", "ru1901", "--prefix", "market"), "tokens of their own"),
        (("--symbol", "ru1901", "--speed", "quick"), "speed"),
        (("--symbol", ""), "symbol"),
    ):
        refused = look("replay", *arguments, *where)
        assert (refused.returncode, text in refused.stderr) == (2, True), refused.stderr


def check_other_formats(data_dir: Path) -> None:
    where = ("--data-dir", str(data_dir))
    check_a_replay(data_dir)
    as_json = json.loads(look("bars", "ru1901", "--interval", "1d", "--format", "json", *where).stdout)
    assert as_json[0]["volume"] == "257762"
    for ending, magic in ((".png", b"\x89PNG"), (".html", b"<!doctype html>"), (".svg", b"<?xml")):
        path = data_dir / f"plot{ending}"
        assert look("bars", "ru1901", "--interval", "5m", "--plot", "--output", str(path), *where).returncode == 0
        assert path.read_bytes().startswith(magic)
    parquet = data_dir / "bars.parquet"
    assert look("bars", "ru1901", "--format", "parquet", "--output", str(parquet), *where).returncode == 0
    assert parquet.read_bytes().startswith(b"PAR1")
    assert "█" in look("bars", "ru1901", "--interval", "30m", "--plot", *where).stdout
    status = look("status", *where)
    assert all(name in status.stdout for name in (*in_up(), "ru1901"))
    assert "no gaps of ru1901 are known" in look("gaps", "ru1901", *where).stdout
    assert "score" in look("quality", "ru1901", *where).stdout
    second = look("up", "--source", "sim", "--data-dir", str(data_dir))
    assert (second.returncode, "running on it already" in second.stderr) == (6, True)
    for arguments, text in (
        (("bars", "nope1"), "expected one that is stored, was 'nope1'"),
        (("bars", "ru1901", "--from", "yesterday"), "expected a date or time"),
        (("bars", "ru1901", "--from", "2018-10-10", "--to", "2018-10-09"), "expected at or after"),
    ):
        refused = look(*arguments, *where)
        assert refused.returncode in (1, 2)
        assert text in refused.stderr


@pytest.mark.long
def test_stale_rows_open_no_bar_and_other_layouts_need_no_special_case(fixtures: Path, tmp_path: Path) -> None:
    names = ("AP101_20200803", "AP101_20200804", "CFFEX_IF2101_20210104")
    files = ",".join(str(part_of(fixtures / f"ctp/ticks/{name}.csv.gz", tmp_path, slice(0, None, 4))) for name in names)
    result = verdict("--source", f"replay:{files}", "--data-dir", str(tmp_path), "--nats-port", "0")
    assert result["stale"] == 2  # the rows that Zhengzhou's front sent again at login
    assert result["bars"]["1d"] == 3
    assert result["bars"]["1m"] <= 2 * 225 + 240


@pytest.mark.long
def test_the_simulated_venue_with_every_fault_is_the_same_on_a_clickhouse_server(tmp_path: Path) -> None:
    source = ("--source", "sim:rate=0.1,instruments=rb2505+IF2503,faults=all", "--nats-port", "0")
    here = verdict(*source, "--data-dir", str(tmp_path / "here"))
    assert {"duplicate", "time_reversed", "book_crossed", "missing_volume", "huge_value", "price_above_limit"} <= set(
        here["rejected"]
    )
    assert here["stale"] == 3
    there = verdict(*source, "--clickhouse", "server", "--data-dir", str(tmp_path / "there"))
    assert {k: v for k, v in there.items() if "second" not in k} == {k: v for k, v in here.items() if "second" not in k}
