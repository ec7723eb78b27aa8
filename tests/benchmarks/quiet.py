"""What a market costs in which little or nothing happens: the whole of `up` as it comes, with the simulated venue at
12 ticks a second and with no source at all.

Processor time, wake-ups and memory of each process over some seconds, once it has settled; then, in a run of its own
on a NATS without users, messages a second by subject, as somebody who listens to everything hears them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.settings.services import SERVICES
from tests.benchmarks.processes import Process, below, memory_mb, threads

if TYPE_CHECKING:
    from nats.aio.msg import Msg

SCENES = {
    "12 ticks/s": ["--source", "sim:rate=4,instruments=rb2505+ag2506+m2505,days=0", "--speed", "1"],
    "no source": [],
}
_LISTEN_S = 20.0
# The first ticks of a night are its auction's, a minute before the others; `up` shows where it is until the first bars.
_SETTLE_S = 140.0
_START_S = 60.0


def measure_quiet(seconds: float = 60.0, settle_s: float = _SETTLE_S, only: str = "") -> dict[str, Any]:
    """By scene: the table of processes, and messages a second by subject."""
    found: dict[str, Any] = {"seconds": seconds}
    for name, arguments in SCENES.items():
        if only not in name:
            continue
        with _up(arguments, {}) as (process, _):
            time.sleep(settle_s)
            table = measure_processes(process.pid, seconds)
        with _up(arguments, {"NATS__ACCOUNTS": "false"}) as (_, url):
            time.sleep(settle_s)
            messages = asyncio.run(messages_per_s(url, _LISTEN_S))
        _print(name, table, messages)
        found[name] = {"processes": table, "messages_per_s": messages}
    return found


@contextlib.contextmanager
def _up(arguments: list[str], settings: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A pipeline on ports of its own, and the address of its NATS."""
    variables = {**settings, **{f"HTTP__{row.name.upper()}": "0" for row in SERVICES}}
    environment = {**os.environ, **{f"MARKETPRISM_{name}": value for name, value in variables.items()}}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "marketprism_services", "up", *arguments, "--data-dir", folder]
        process = subprocess.Popen(
            [*command, "--nats-port", "0"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            address = Path(folder) / "run/url"
            end = time.monotonic() + _START_S
            while not address.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"up: expected a NATS within {_START_S:g} s, was exit code {process.poll()}")
                time.sleep(0.1)
            yield process, address.read_text(encoding="utf-8").strip()
        finally:
            process.terminate()
            process.wait(30)


def measure_processes(pid: int, seconds: float) -> dict[str, dict[str, float]]:
    """By process: percent of a core, wake-ups a second, memory in megabytes; `all` is their sum."""
    before = below(pid)
    started = time.monotonic()
    time.sleep(seconds)
    after = below(pid)
    took_s = time.monotonic() - started
    table: dict[str, dict[str, float]] = {}
    for number, now in after.items():
        was = before.get(number, Process(now.name, number, 0.0, 0))
        row = table.setdefault(now.name, {"core_percent": 0, "wakeups_per_s": 0, "rss": 0, "pss": 0, "uss": 0})
        costs = {
            "core_percent": (now.cpu_s - was.cpu_s) / took_s * 100,
            "wakeups_per_s": (now.wakeups - was.wakeups) / took_s,
        }
        for column, value in {**costs, **memory_mb(number)}.items():
            row[column] = round(row[column] + value, 2)
    columns = ("core_percent", "wakeups_per_s", "pss", "uss")
    table["all"] = {column: round(sum(row[column] for row in table.values()), 2) for column in columns}
    return table


def measure_threads(pid: int, seconds: float) -> dict[str, dict[str, float]]:
    """By name of the threads of one process: percent of a core and wake-ups a second."""
    before = threads(pid)
    time.sleep(seconds)
    return {
        name: {
            "core_percent": round((cpu_s - before.get(name, (0.0, 0))[0]) / seconds * 100, 3),
            "wakeups_per_s": round((wakeups - before.get(name, (0.0, 0))[1]) / seconds, 2),
        }
        for name, (cpu_s, wakeups) in threads(pid).items()
    }


async def messages_per_s(url: str, seconds: float) -> dict[str, float]:
    """Messages a second that are published, by subject; what makes a subject of one instance is left out of it."""
    heard: Counter[str] = Counter()

    def hear(message: Msg) -> None:
        heard[_subject(message.subject)] += 1

    connection = await NatsConnection.open(url, name="quiet")
    try:
        await connection.subscribe(">", hear)
        await asyncio.sleep(seconds)
    finally:
        await connection.close()
    rates = {subject: round(count / seconds, 2) for subject, count in heard.most_common()}
    return {"all": round(sum(heard.values()) / seconds, 2), **rates}


_NAMES = (
    (r"^(\$KV\.[\w-]+\.[a-z]+).*", r"\1.*"),
    (r"^(\$JS\.API\.[A-Z.]+?\.(?:KV_)?[A-Z_a-z-]+)\..*", r"\1.*"),
    (r"^(\$JS\.(?:API\.)?DIRECT\.GET\.[A-Z_a-z-]+)\..*", r"\1.*"),
    (r"^(\$JS\.ACK\.[A-Z_]+).*", r"\1.*"),
    (r"^((?:_INBOX|_REPLY\.[a-z]+|_R_))\..*", r"\1.*"),
    (r"^(ha\.ping\.[a-z_-]+)\..*", r"\1.*"),
    (r"^(market\.[a-z_]+)\..*", r"\1.*"),
    (r"^((?:rpc|inspect)\.[a-z]+\.[a-z_]+).*", r"\1.*"),
    (r"^(event\.[a-z]+\.[A-Za-z]+).*", r"\1"),
)


def _subject(subject: str) -> str:
    for pattern, short in _NAMES:
        if re.match(pattern, subject):
            return re.sub(pattern, short, subject)
    return subject


def _print(scene: str, table: dict[str, dict[str, float]], messages: dict[str, float]) -> None:
    sys.stderr.write(f"\n{scene}\n{'process':<14}{'% core':>8}{'wake/s':>9}{'rss':>8}{'pss':>8}{'uss':>8}\n")
    for name, row in sorted(table.items(), key=lambda item: item[1]["core_percent"]):
        sys.stderr.write(f"{name:<14}{row['core_percent']:>8.2f}{row['wakeups_per_s']:>9.1f}{row.get('rss', 0):>8.1f}")
        sys.stderr.write(f"{row['pss']:>8.1f}{row['uss']:>8.1f}\n")
    for subject, rate in list(messages.items())[:30]:
        sys.stderr.write(f"{rate:>9.2f}/s  {subject}\n")


if __name__ == "__main__":
    print(json.dumps(measure_quiet(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0, only=" ".join(sys.argv[2:]))))
