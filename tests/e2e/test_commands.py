"""Commands as a person uses them: every text is true, every name is found, and what cannot be is said."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from tests.e2e.program import ENVIRONMENT, PROGRAM, look
from tests.e2e.warm import ask
from tests.support.recordings import part_of
from tests.support.screen import Screen, in_terminal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480), pytest.mark.xdist_group("e2e")]


class Output:
    """What a program prints, read as it comes."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self.program = program
        self.text = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self.program.stdout or ():
            self.text += line

    def close(self) -> None:
        """Read what is left."""
        self._thread.join(10)
        if self.program.stdout is not None:
            self.program.stdout.close()

    def until(self, pattern: str, deadline_s: float = 240) -> re.Match[str]:
        """The first place that matches."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if (found := re.search(pattern, self.text)) is not None:
                return found
            assert self.program.poll() is None, f"ended with {self.program.returncode}: {self.text}"
            time.sleep(0.1)
        raise AssertionError(f"expected {pattern!r}, was {self.text!r}")


@contextmanager
def running(command: list[str] | str, **environment: str) -> Iterator[Output]:
    program = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        shell=isinstance(command, str),
        env={**ENVIRONMENT, **environment},
    )
    output = Output(program)
    try:
        yield output
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(60)
        output.close()


@pytest.mark.long
def test_what_is_stored_so_far_becomes_what_is_stored_and_is_served_without_a_source(
    fixtures: Path, tmp_path: Path
) -> None:
    # As long on its way as all of it, at a part of the work.
    recording = str(part_of(fixtures / "ctp/ticks/ru1901_20181008.csv.gz", tmp_path, slice(0, None, 40)))
    where = ("--data-dir", str(tmp_path))
    intervals = ("--interval", "1m,5m,15m,30m,1h,1d")
    offline = look("rebuild", recording, *intervals)
    ticks = re.search(r"(\d+) ticks, refused rows: none; rejected: none", offline.stderr)
    assert ticks is not None, offline.stderr
    source = ("--source", f"replay:{recording}", "--speed", "800", "--nats-port", "0")
    with running([*PROGRAM, "up", *source, *where]) as output:
        early = output.until(r"(\d+) ticks and (\d+) bars? of 1 instrument are stored so far")
        assert 0 < int(early[1]) < int(ticks[1])
        last = output.until(r"(\d+) ticks and (\d+) bars of 1 instrument are stored; the source has ended and all")
        assert last[1] == ticks[1]
        assert "<symbol>" not in output.text
        assert '{"' not in output.text
        bars = last[2]
    with running([*PROGRAM, "up", "--nats-port", "0", *where]) as output:
        output.until("no source is read")
        output.until(rf"{ticks[1]} ticks and {bars} bars of 1 instrument are stored\. Look further:")
        shown = output.until(r"marketprism bars ru1901 --interval 5m --plot --data-dir \S+")[0]
        check_pictures(shown.split()[1:])
        check_days_and_names(where)
        of_stored = look("rebuild", "--symbol", "ru1901", *intervals, *where)
        assert of_stored.stdout.startswith(offline.stdout), of_stored.stderr
        # The recording ends in the midst of a day that was over long ago by the clock: its bar can get no tick any more.
        (of_open_day,) = of_stored.stdout.removeprefix(offline.stdout).splitlines()
        assert of_open_day.split(",")[:3] == ["ru1901", "shfe", "1d"]
        assert f"{ticks[1]} ticks, too late for any bar: 0" in of_stored.stderr
        unknown = look("rebuild", "--symbol", "ru1902", *where)
        assert unknown.returncode == 1
        assert "expected an instrument with stored ticks, was 'ru1902'" in unknown.stderr
        second = look("up", "--source", "sim", "--data-dir", str(tmp_path))
        assert "running on it already" in second.stderr
    check_what_does_not_belong_there(where)


def check_pictures(arguments: list[str]) -> None:
    code, output = in_terminal([*PROGRAM, *arguments], 110)
    assert code == 0, output
    lines = [line for line in Screen(110).read(output).lines() if line]
    assert {len(line) for line in lines[1:-2]} == {110}
    assert ", 2018, China time" in lines[0]


def check_days_and_names(where: tuple[str, ...]) -> None:
    day = look("bars", "ru1901", "--interval", "1d", "--day", "2018-10-08", *where)
    assert "trading day" in day.stdout
    assert "2018-10-08 09:00:00     20181008  12480" in day.stdout
    assert "1 of 1, China time" in day.stdout
    utc = look("bars", "ru1901", "--interval", "1d", "--day", "20181008", "--tz", "UTC", *where)
    assert "2018-10-08 01:00:00     20181008  12480" in utc.stdout
    wrong = look("tail", "ru1091", *where, timeout=60)
    assert (wrong.returncode, "the nearest: ru1901" in wrong.stderr) == (1, True)
    with running([*PROGRAM, "tail", "ru1901", *where]) as output:
        output.until(r"waiting for ru1901; its last tick is of 2018-10-08 \d\d:\d\d:\d\d China time")
    code, shown = in_terminal([*PROGRAM, "coverage", "ru1901", *where], 80)
    assert code == 0
    assert "…" not in shown
    no_gateway = look("gateway", "disconnect", *where)
    assert (no_gateway.returncode, "no gateway runs here" in no_gateway.stderr) == (1, True)


def check_what_does_not_belong_there(where: tuple[str, ...]) -> None:
    for arguments, text in (
        (("up", "--source", "sim"), "expected a source of real data, as it holds, and sim is simulated here"),
        (("up", "--clickhouse", "server"), "its rows are in chDB"),
    ):
        refused = look(*arguments, "--nats-port", "0", *where)
        assert refused.returncode == 5, refused.stderr
        assert text in refused.stderr
        assert "another --data-dir" in refused.stderr
    silent = look("bars", "ru1901", *where)
    assert silent.returncode == 4
    assert "is `marketprism up` running?" in silent.stderr


@pytest.mark.long
def test_the_command_that_simulate_prints_works_when_it_is_pasted(tmp_path: Path) -> None:
    home = {"MARKETPRISM_HOME": str(tmp_path), "MARKETPRISM_NATS__PORT": "0", "PATH": _path()}
    with running([*PROGRAM, "simulate", "okx", "--bases", "BTC,ETH", "--rate", "0.5"]) as venue:
        pasted = venue.until(r"marketprism up --source .*")[0]
        with running(f"exec {pasted}", **home) as output:
            output.until(r"[1-9]\d* ticks and \d+ bars? of \d+ instruments? are stored so far")
            assert "is not subscribed" not in output.text
            assert f"data in {tmp_path / 'simulated'}" in output.text
            check_gateway(home)


def _path() -> str:
    return f"{Path(sys.executable).parent}:{ENVIRONMENT['PATH']}"


def check_gateway(home: dict[str, str]) -> None:
    def order(*words: str) -> subprocess.CompletedProcess[str]:
        return ask(("gateway", *words), {**ENVIRONMENT, **home}, 120)

    status = order("status")
    assert status.returncode == 0, status.stderr
    assert "leads" in status.stdout
    other = order("disconnect", "--group", "ctp")
    assert (other.returncode, "expected a gateway that runs (okx), was ctp" in other.stderr) == (1, True)
    done = order("subscribe", "BTC-USDT")
    assert done.returncode == 0, done.stderr
    assert re.search(r"gateway okx is to read BTC-USDT; taken by \S+", done.stdout)
    refused = order("subscribe", "")
    assert refused.returncode != 0
    assert "UpdateSubscriptionList" not in refused.stdout + refused.stderr


@pytest.mark.long
def test_a_storage_beside_another_takes_another_port_and_a_lost_one_is_named(tmp_path: Path) -> None:
    server = asyncio.run(EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0)))
    given = {"MARKETPRISM_NATS__URL": server.url, "MARKETPRISM_HTTP__STORAGE": "8083"}  # the usual one

    def service(name: str, folder: str = "one") -> list[str]:
        return [*PROGRAM, "run", name, "--data-dir", str(tmp_path / folder)]

    try:
        with running(service("validator"), **given) as validator, running(service("storage"), **given) as first:
            first.until('"service.started"')
            validator.until('"service.started"')
            with running(service("storage"), **given) as second:
                second.until('"http.port_taken".*"instead"|"instead".*"http.port_taken"')
                second.until('"service.started"')
            other = look("run", "storage", "--nats-url", server.url, "--data-dir", str(tmp_path / "two"))
            assert other.returncode == 2
            assert "neither could take over from the other" in other.stderr
            first.program.kill()
            status = wait_for_status(
                server.url, "wrong: no storage runs: nothing is stored", "leader lost: storage.default"
            )
            assert status.returncode == 1
            assert re.search(r"storage\.default +\S+ +\d+ +lost", status.stdout)
    finally:
        asyncio.run(server.stop())


def wait_for_status(url: str, *texts: str) -> subprocess.CompletedProcess[str]:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        status = look("status", "--nats-url", url)
        if all(text in status.stderr for text in texts):
            return status
        time.sleep(1)
    raise AssertionError(f"expected {texts!r}, was {status.stdout + status.stderr}")
