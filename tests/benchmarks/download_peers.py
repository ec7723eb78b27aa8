"""The same minutes downloaded by this product, freqtrade and vnpy_datamanager, each as its users start it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyarrow import feather

from marketprism_adapters.downloads.folder_sink import FolderSink
from marketprism_application.contracts.kinds import KLINE
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.service import die_with_parent
from tests.benchmarks.download_venue import MINUTE_MS, Range, venue_of
from tests.benchmarks.venues import PEERS
from tests.support.downloads import stored

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "freqtrade": ("freqtrade==2026.9",),
    "vnpy_datamanager": (
        "vnpy==4.5.0",
        "vnpy_binance==2026.8.5",
        "vnpy_datamanager==1.2.0",
        "vnpy_sqlite==1.1.3",
    ),
}
PLAIN = Range(20_160, ("BTC", "ETH", "SOL"))
SHORT = Range(10, ("BTC", "ETH", "SOL"))  # what starting and ending alone take
FAULTY = Range(20_000, ("BTC",))
HOLED = Range(20_000, ("BTC",), (7_300, 7_420))
FAULTS: Mapping[str, tuple[Range, tuple[str, ...]]] = {
    "429, wait 1 s": (FAULTY, ("rate_limit",)),
    "503": (FAULTY, ("error",)),
    "half pages": (FAULTY, ("half",)),
    "empty pages": (FAULTY, ("empty",)),
    "a hole of 120 minutes": (HOLED, ()),
}
_LONGEST_S = 900.0
_RUNS = 3
_LATENCY_S = 0.02
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]\d+ (?:-|\|) ")
_WRONG = re.compile(r"fail|error\b|missing|retrying|warning|rate_limited|no .*data|downloaded|stored:", re.IGNORECASE)
_PLAIN = re.compile(r"not checked|expected  present|INFO \| BINANCE")
_MOST_LINES = 8
Rows = list[tuple[int, tuple[float, ...]]]


@dataclass(frozen=True)
class Ended:
    """A command that ended: what it took, its exit code and what it wrote."""

    wall_s: float
    cpu_s: float
    exit: int
    text: str


@dataclass(frozen=True)
class Program:
    """A program: `run` downloads a range from a URL into a folder, `read` gives the rows of an instrument there."""

    run: Callable[[str, Range, Path], Ended]
    read: Callable[[Path, str, Range], Rows]


def measure_peers() -> dict[str, Any]:
    """Seconds, processor seconds and rows of each program without faults, and what is missing, double or wrong with
    each fault; `says` is the last of what it wrote about it. Peers that cannot be had say why."""
    programs, absent = _programs()
    plain = {name: _quickest(program, PLAIN) for name, program in programs.items()}
    start = {name: _quickest(program, SHORT) for name, program in programs.items()}
    for name, found in plain.items():
        found |= {"start_s": start[name]["wall_s"], "start_cpu_s": start[name]["cpu_s"]}
    faults = {
        fault: {name: _measured(program, wanted, kinds) for name, program in programs.items()}
        for fault, (wanted, kinds) in FAULTS.items()
    }
    return {
        "minutes": PLAIN.minutes,
        "instruments": len(PLAIN.bases),
        "answers_after_s": _LATENCY_S,
        "plain": plain,
        "faults": faults,
        "not_measured": absent,
    }


def _programs() -> tuple[dict[str, Program], dict[str, str]]:
    made, absent = {"marketprism": Program(_ours, _our_rows)}, {}
    runs = {"freqtrade": (_freqtrade, _freqtrade_rows), "vnpy_datamanager": (_vnpy, _vnpy_rows)}
    for name, packages in PACKAGES.items():
        reason = _install(name, packages)
        if reason:
            absent[name] = reason
        else:
            made[name] = Program(*runs[name])
    return made, absent


def _environment(name: str) -> Path:
    return PEERS.with_name(f"peers-{name}")


def _install(name: str, packages: Sequence[str]) -> str:
    """Make an environment with a peer, where there is none; why not, otherwise nothing."""
    folder = _environment(name)
    done = folder / "packages.txt"
    if done.is_file() and done.read_text(encoding="utf-8").split() == list(packages):
        return ""
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            return f"{packages[0]} cannot be installed: {ran.stderr.strip().splitlines()[-1:]}"
    done.write_text("\n".join(packages), encoding="utf-8")
    return ""


def _quickest(program: Program, wanted: Range) -> dict[str, Any]:
    """The least seconds of some runs, for others use the machine too, and the worst of what came."""
    runs = [_measured(program, wanted) for _ in range(_RUNS)]
    quickest = {name: min(run[name] for run in runs) for name in ("wall_s", "cpu_s")}
    return {**max(runs, key=lambda run: run["missing"] + run["double"] + run["wrong"]), **quickest}


def _measured(program: Program, wanted: Range, faults: Sequence[str] = ()) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        with venue_of(wanted, faults, _LATENCY_S) as url:
            ended = program.run(url, wanted, Path(folder))
        counts = {"rows": 0, "missing": 0, "double": 0, "wrong": 0}
        for base in wanted.bases:
            _count(counts, program.read(Path(folder), base, wanted), wanted, base)
    found = {"wall_s": round(ended.wall_s, 2), "cpu_s": round(ended.cpu_s, 2), **counts, "exit": ended.exit}
    return {**found, "says": _said(ended.text)} if faults or wanted.hole or counts["missing"] else found


def _said(text: str) -> list[str]:
    """The lines of an output that are about something wrong, some of them, each once."""
    lines = (_STAMP.sub("", line).strip()[:200] for line in text.splitlines())
    found = dict.fromkeys(line for line in lines if _WRONG.search(line) and not _PLAIN.search(line))
    return [*list(found)[:_MOST_LINES], f"… {len(found)} lines"] if len(found) > _MOST_LINES else list(found)


def _count(counts: dict[str, int], rows: Rows, wanted: Range, base: str) -> None:
    """Rows inside the range, of which some are there twice or differ from the venue's, and rows that are missing."""
    right = wanted.rows(base)
    inside = [row for row in rows if wanted.begin_ms <= row[0] < wanted.end_ms]
    times = {at for at, _ in inside}
    counts["rows"] += len(inside)
    counts["missing"] += len(right.keys() - times)
    counts["double"] += len(inside) - len(times)
    counts["wrong"] += sum(right.get(at) != values for at, values in inside)


def _timed(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Ended:
    """A command to its end, with the processor time of it and of its children."""
    log = folder / "output.txt"
    with log.open("w", encoding="utf-8") as output:
        started = time.monotonic()
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(env or {})},
            preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call)
        )
        used = _waited(child.pid, started + _LONGEST_S)
        child.returncode = os.waitstatus_to_exitcode(used[0])
        wall = time.monotonic() - started
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(encoding="utf-8", errors="replace"))
    return Ended(wall, used[1], child.returncode, text)


def _waited(pid: int, until: float) -> tuple[int, float]:
    """The exit status of a child and its processor seconds; it is ended where it takes too long."""
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage.ru_utime + usage.ru_stime
        if time.monotonic() > until:
            os.kill(pid, 9)
        time.sleep(0.02)


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}"


# -- this product ------------------------------------------------------------------------------------------------------


def _ours(url: str, wanted: Range, folder: Path) -> Ended:
    """One command after the other, an instrument each."""
    ends = []
    for base in wanted.bases:
        command = [sys.executable, "-m", "marketprism_services", "data", "download", f"{base}-USDT"]
        command += ["--venue", "binance", "--from", _day(wanted.begin_ms), "--to", _day(wanted.end_ms)]
        ends.append(_timed([*command, "--rest-url", url, "--out", str(folder / "rows"), "--tz", "UTC"], folder))
    return Ended(
        sum(each.wall_s for each in ends),
        sum(each.cpu_s for each in ends),
        max(each.exit for each in ends),
        "\n".join(each.text for each in ends),
    )


def _our_rows(folder: Path, base: str, wanted: Range) -> Rows:
    begin, end = wanted.begin_ms * 10**6, wanted.end_ms * 10**6
    dataset = Dataset(KLINE.name, "binance", f"{base}-USDT", "1m", begin, end)
    if not FolderSink(folder / "rows").files(dataset):
        return []
    table = stored(folder / "rows", dataset)
    columns = [table.column(name).to_pylist() for name in ("ts_open", "open", "high", "low", "close", "volume")]
    return [(ts // 10**6, tuple(map(float, values))) for ts, *values in zip(*columns, strict=True)]


# -- freqtrade ---------------------------------------------------------------------------------------------------------


def _freqtrade(url: str, wanted: Range, folder: Path) -> Ended:
    """`freqtrade download-data`, by ccxt alone: its files of data.binance.vision have no place to be pointed at. It never
    keeps the newest candle that it gets, so that it is asked for one more."""
    pairs = [f"{base}/USDT" for base in wanted.bases]
    of_ccxt = {
        "urls": {"api": {"public": f"{url}/api/v3", "private": f"{url}/api/v3"}},
        "options": {"fetchMarkets": {"types": ["spot"]}},
    }
    exchange = {"name": "binance", "pair_whitelist": pairs, "only_from_ccxt": True, "ccxt_config": of_ccxt}
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "stake_currency": "USDT",
                "dry_run": True,
                "exchange": exchange,
                "pairlists": [{"method": "StaticPairList"}],
            }
        )
    )
    program = str(_environment("freqtrade") / "bin" / "freqtrade")
    user = str(folder / "user")
    made = subprocess.run([program, "create-userdir", "--userdir", user], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    command = [program, "download-data", "-c", str(config), "--userdir", user, "--pairs", *pairs, "-t", "1m"]
    span = f"{wanted.begin_ms // 1000}-{(wanted.end_ms + MINUTE_MS) // 1000}"
    return _timed([*command, "--timerange", span, "--data-format-ohlcv", "feather"], folder)


def _freqtrade_rows(folder: Path, base: str, wanted: Range) -> Rows:
    path = folder / "user" / "data" / "binance" / f"{base}_USDT-1m.feather"
    if not path.is_file():
        return []
    table = feather.read_table(path)
    times = [int(each.timestamp() * 1000) for each in table.column("date").to_pylist()]
    columns = [table.column(name).to_pylist() for name in ("open", "high", "low", "close", "volume")]
    return list(zip(times, zip(*columns, strict=True), strict=True))


# -- vnpy_datamanager --------------------------------------------------------------------------------------------------


def _vnpy(url: str, wanted: Range, folder: Path) -> Ended:
    """`download_vnpy.py`: vnpy_datamanager's engine over vnpy_binance's gateway."""
    settings = folder / ".vntrader"
    settings.mkdir()
    given = {"database.name": "sqlite", "database.database": "database.db", "database.timezone": "UTC"}
    (settings / "vt_setting.json").write_text(json.dumps(given))
    python = str(_environment("vnpy_datamanager") / "bin" / "python")
    script = str(Path(__file__).with_name("download_vnpy.py"))
    return _timed([python, script, url, str(wanted.begin_ms // 1000), *wanted.bases], folder, {"PYTHONPATH": ""})


def _vnpy_rows(folder: Path, base: str, wanted: Range) -> Rows:
    path = folder / ".vntrader" / "database.db"
    if not path.is_file():
        return []
    with closing(sqlite3.connect(path)) as database:
        return list(_of_database(database, f"{base}USDT_SPOT_BINANCE"))


def _of_database(database: sqlite3.Connection, name: str) -> Iterator[tuple[int, tuple[float, ...]]]:
    columns = "open_price, high_price, low_price, close_price, volume"
    found = database.execute(f"SELECT datetime, {columns} FROM dbbardata WHERE symbol = ?", (name,))
    for text, *values in found:
        at = datetime.fromisoformat(text)
        yield int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000), tuple(values)


if __name__ == "__main__":
    print(json.dumps(measure_peers(), indent=1))
