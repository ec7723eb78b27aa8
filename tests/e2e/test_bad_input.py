"""What cannot be done ends with one clear line and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.program import ENVIRONMENT, look
from tests.e2e.warm import ask

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("e2e")]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("up", "--source", "replay:/none.csv.gz", "--once"), 3, "expected a file, there is none"),
        (("up", "--source", "rplay:x"), 3, "deribit, was 'rplay:x'; did you mean 'replay'"),
        (("up", "--json"), 2, "--json: expected --once with it"),
        (("replay", "--symbol", "x", "--nats-url", "nats://127.0.0.1:1"), 4, "is `marketprism up` running?"),
        (("up", "--source", "nope"), 3, "source: expected one of capture, ctp, sopt, replay, sim"),
        (
            ("up", "--source", "sim", "--speed", "fast"),
            2,
            "setting source.speed: speed: expected max or a positive number",
        ),
        (("up", "--source", "sim", "--data-dir", "/proc/none"), 5, "expected a writable directory"),
        (("up", "--source", "sim", "--nats-url", "http://x"), 2, "expected nats://host:port"),
        (("run", "nobody"), 2, "service: expected one of"),
        (("rebuild", "/none.csv"), 3, "there is none"),
        (("rebuild",), 2, "expected recordings, or --symbol for stored ticks, were none"),
        (
            ("rebuild", "a.csv", "--symbol", "ru1901"),
            2,
            "--symbol: expected it or recordings, were 'ru1901' and 'a.csv'",
        ),
        (("rebuild", "a.csv", "--venue", "shfe"), 2, "--venue: expected --symbol with it; recordings are read whole"),
        (("bars", "x", "--interval", "7x"), 2, "interval: expected"),
        (("bars", "x", "--nats-url", "nats://127.0.0.1:1"), 4, "is `marketprism up` running?"),
    ],
)
def test_what_cannot_be_done_ends_with_one_clear_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    where = () if {"--data-dir", "rebuild", "run"} & set(arguments) else ("--data-dir", str(tmp_path / "d"))
    done = look(*arguments, *where)
    assert done.returncode == code, done.stderr
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("MARKETPRISM_STORE__BATCH_ROW", "5", "there is no such setting; did you mean 'batch_rows'?"),
        ("MARKETPRISM_STORE__BATCH_ROWS", "0", "setting store.batch_rows"),
        ("MARKETPRISM_LEASE__LEASE_S", "0.3", "a leader must survive one lost renewal"),
        ("MARKETPRISM_RULES__STALE_S", "-1", "rules.stale_s: expected a number"),
        ("MARKETPRISM_BARS__INTERVALS", "1m,7x", "interval: expected"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, text: str) -> None:
    done = ask(("up", "--source", "sim", "--once"), {**ENVIRONMENT, name: value}, 120)
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
        taken = look("up", "--source", "sim", "--nats-port", port, "--data-dir", str(tmp_path))
        assert (taken.returncode, "taken by another program" in taken.stderr) == (4, True)
        stranger = look("up", "--source", "sim", "--nats-url", f"nats://127.0.0.1:{port}", "--data-dir", str(tmp_path))
        assert (stranger.returncode, "expected a NATS server" in stranger.stderr) == (4, True)
    finally:
        other.kill()
        other.communicate()


def test_the_doctor_finds_this_machine_well(tmp_path: Path) -> None:
    done = look("doctor", "--data-dir", str(tmp_path))
    assert done.returncode == 0
    assert "nats-server" in done.stdout


def test_an_interruption_while_a_command_is_loaded_is_quiet() -> None:
    program = """
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from marketprism_services.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (130, "")
