"""The whole product as a stranger runs it: processes, a real nats-server, chDB, kill -9."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
import nats
import pytest

from marketprism_adapters.nats.embedded import EmbeddedOptions, EmbeddedServer, choose_port

PROGRAM = [sys.executable, "-m", "marketprism_services"]
# Several runs side by side must not fight for the well-known HTTP ports.
ENVIRONMENT = {
    **os.environ,
    "MARKETPRISM_HTTP__STORAGE": "0",
    "MARKETPRISM_HTTP__QUERY": "0",
    "MARKETPRISM_HTTP__MONITOR": "0",
}
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("e2e")]
DEPTH = {"v", "venue", "symbol", "source", "epoch", "seq", "ts_event", "ts_recv", "ts_pub", "last", "volume", "turnover", "open_interest",
         "open", "high", "low", "pre_close", "pre_settlement", "limit_up", "limit_down", "bids", "asks", "trading_day", "phase",
         "quality_score", "verdict"}  # fmt: skip


def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=timeout, check=False, env=ENVIRONMENT
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=ENVIRONMENT,
    )


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


def test_a_recording_killed_in_the_middle_is_stored_once_and_its_bars_are_those_of_the_exchange(
    fixtures: Path, tmp_path: Path
) -> None:
    names = ("ru1901_20181008", "ru1901_20181009", "ru1901_20181010")
    files = [str(fixtures / f"ctp/ticks/{name}.csv.gz") for name in names]
    source = [
        "--source",
        "replay:" + ",".join(files),
        "--speed",
        "max",
        "--data-dir",
        str(tmp_path),
        "--nats-port",
        "0",
    ]
    for seconds in (5.5, 7.0):
        doomed = start("up", *source)
        time.sleep(seconds)
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.communicate()
    result = verdict(*source)
    assert result["published"] == 116_498
    assert result["bars"]["1m"] == 1_035
    staying = start("up", *source)
    try:
        live = eventually_bars(tmp_path, "ru1901", "1d")
        minutes = run("bars", "ru1901", "--interval", "1m", "--format", "csv", "--data-dir", str(tmp_path)).stdout
        check_a_foreign_reader((tmp_path / "run" / "url").read_text())
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
    assert [row["trading_day"] for row in rows_of(live)] == ["20181008", "20181009", "20181010"]
    offline = tmp_path / "offline.csv"
    assert run("rebuild", *files, "--interval", "1m", "--output", str(offline)).returncode == 0
    assert offline.read_text() == minutes
    assert run("rebuild", *files, "--interval", "1d").stdout == live


def eventually_bars(data_dir: Path, symbol: str, interval: str) -> str:
    for _ in range(60):
        done = run("bars", symbol, "--interval", interval, "--format", "csv", "--data-dir", str(data_dir))
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.5)
    raise AssertionError(done.stdout + done.stderr)


def check_a_foreign_reader(url: str) -> None:
    """A program with nats-py and msgpack alone reads every field of the contract."""

    async def read() -> None:
        connection = await nats.connect(url)
        consumer = await connection.jetstream().pull_subscribe("market.tick.ru1901", stream="MARKET_TICKS")
        messages = await consumer.fetch(50, timeout=10)
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


def check_other_formats(data_dir: Path) -> None:
    where = ("--data-dir", str(data_dir))
    as_json = json.loads(run("bars", "ru1901", "--interval", "1d", "--format", "json", *where).stdout)
    assert as_json[1]["volume"] == "740820"
    for ending, magic in ((".png", b"\x89PNG"), (".html", b"<!doctype html>"), (".svg", b"<?xml")):
        path = data_dir / f"plot{ending}"
        assert run("bars", "ru1901", "--interval", "5m", "--plot", "--output", str(path), *where).returncode == 0
        assert path.read_bytes().startswith(magic)
    parquet = data_dir / "bars.parquet"
    assert run("bars", "ru1901", "--format", "parquet", "--output", str(parquet), *where).returncode == 0
    assert parquet.read_bytes().startswith(b"PAR1")
    assert "█" in run("bars", "ru1901", "--interval", "30m", "--plot", *where).stdout
    status = run("status", *where)
    assert all(
        name in status.stdout
        for name in ("gateway", "validator", "aggregator", "storage", "query", "monitor", "ru1901")
    )
    assert "no gaps known" in run("gaps", "ru1901", *where).stdout
    assert "score" in run("quality", "ru1901", *where).stdout
    second = run("up", "--source", "sim", "--data-dir", str(data_dir))
    assert (second.returncode, "running on it already" in second.stderr) == (6, True)
    for arguments, text in (
        (("bars", "nope1"), "no 1m bars of nope1"), (("bars", "ru1901", "--from", "yesterday"), "expected a date or time"),
        (("bars", "ru1901", "--from", "2018-10-10", "--to", "2018-10-09"), "expected at or after"),
    ):  # fmt: skip
        refused = run(*arguments, *where)
        assert refused.returncode in (1, 2)
        assert text in refused.stderr


def test_stale_rows_open_no_bar_and_other_layouts_need_no_special_case(fixtures: Path, tmp_path: Path) -> None:
    names = ("AP101_20200803", "AP101_20200804", "CFFEX_IF2101_20210104")
    files = ",".join(str(fixtures / f"ctp/ticks/{name}.csv.gz") for name in names)
    result = verdict("--source", f"replay:{files}", "--data-dir", str(tmp_path), "--nats-port", "0")
    assert result["stale"] == 2  # the rows that Zhengzhou's front sent again at login
    assert result["bars"]["1d"] == 3
    assert result["bars"]["1m"] <= 2 * 225 + 240


def test_the_simulated_venue_with_every_fault(tmp_path: Path) -> None:
    result = verdict(
        "--source", "sim:rate=0.2,instruments=rb2505+IF2503,faults=all", "--data-dir", str(tmp_path), "--nats-port", "0"
    )
    assert {"duplicate", "time_reversed", "book_crossed", "missing_volume", "huge_value", "price_above_limit"} <= set(
        result["rejected"]
    )
    assert result["stale"] == 3


def test_nats_killed_in_the_middle_and_started_again(tmp_path: Path) -> None:
    """Everything waits for it and goes on; nothing is lost or doubled."""
    options = EmbeddedOptions(tmp_path / "server", port=choose_port(0))
    server = asyncio.run(EmbeddedServer.start(options))
    running = start(
        "up",
        "--source",
        "sim:rate=1,instruments=rb2505+m2505",
        "--nats-url",
        server.url,
        "--data-dir",
        str(tmp_path / "d"),
        "--once",
        "--json",
    )
    time.sleep(5.0)
    server.process.kill()
    server.process.wait()
    time.sleep(1.0)
    again = asyncio.run(EmbeddedServer.start(options))
    try:
        output, _ = running.communicate(timeout=120)
    finally:
        asyncio.run(again.stop())
        asyncio.run(server.stop())
    assert running.returncode == 0, output
    result = json.loads(output[output.index('{\n "source"') :])
    assert (result["missing"], result["duplicates"], result["ok"]) == (0, 0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("up", "--source", "replay:/none.csv.gz", "--once"), 3, "expected a file, there is none"),
        (("up", "--source", "nope"), 3, "source: expected one of replay, sim"),
        (
            ("up", "--source", "sim", "--speed", "fast"),
            2,
            "setting source.speed: speed: expected max or a positive number",
        ),
        (("up", "--source", "sim", "--data-dir", "/proc/none"), 5, "expected a writable directory"),
        (("up", "--source", "sim", "--nats-url", "http://x"), 2, "expected nats://host:port"),
        (("run", "nobody"), 2, "service: expected one of"),
        (("rebuild", "/none.csv"), 3, "there is none"),
        (("bars", "x", "--interval", "7x"), 2, "interval: expected"),
        (("bars", "x", "--nats-url", "nats://127.0.0.1:1"), 4, "expected a NATS server"),
    ],
)
def test_what_cannot_be_done_ends_with_one_clear_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    where = () if {"--data-dir", "rebuild", "run"} & set(arguments) else ("--data-dir", str(tmp_path / "d"))
    done = run(*arguments, *where)
    assert done.returncode == code, done.stderr
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("MARKETPRISM_STORE__BATCH_ROW", "5", "there is no such setting; did you mean 'batch_rows'?"),
        ("MARKETPRISM_STORE__BATCH_ROWS", "0", "setting store.batch_rows"),
        ("MARKETPRISM_LEASE__LEASE_S", "0.3", "a leader must survive a lost heartbeat"),
        ("MARKETPRISM_RULES__STALE_S", "-1", "rules.stale_s: expected a number"),
        ("MARKETPRISM_BARS__INTERVALS", "1m,7x", "interval: expected"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, text: str) -> None:
    done = subprocess.run(
        [*PROGRAM, "up", "--source", "sim", "--once"],
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, name: value},
    )
    assert done.returncode == 2
    assert text in " ".join(done.stderr.split())


def test_a_taken_port_and_a_stranger_on_it_are_told_apart(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert other.stdout is not None
        port = other.stdout.readline().split("port ")[1].split()[0]
        taken = run("up", "--source", "sim", "--nats-port", port, "--data-dir", str(tmp_path))
        assert (taken.returncode, "taken by another program" in taken.stderr) == (4, True)
        stranger = run("up", "--source", "sim", "--nats-url", f"nats://127.0.0.1:{port}", "--data-dir", str(tmp_path))
        assert (stranger.returncode, "expected a NATS server" in stranger.stderr) == (4, True)
    finally:
        other.kill()
        other.communicate()


def test_the_doctor_finds_this_machine_well(tmp_path: Path) -> None:
    done = run("doctor", "--data-dir", str(tmp_path))
    assert done.returncode == 0
    assert "nats-server" in done.stdout
