"""What a person is told who starts a gateway of a venue with something wrong."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import choose_port
from tests.e2e.program import look, start
from tests.e2e.simulated_venue import simulated

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("e2e"), pytest.mark.long]


class Told:
    """The lines of a program as they come."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        self._lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._program.stdout is not None
        with self._program.stdout as lines:
            for line in lines:  # as they come
                self._lines.append(line)

    def close(self) -> None:
        """After the program's end."""
        self._reading.join(10)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._lines).split())

    def until(self, words: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)


@contextmanager
def up(source: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], Told]]:
    program = start("up", "--source", source, "--data-dir", str(folder), "--nats-port", "0")
    told = Told(program)
    try:
        yield program, told
        if program.poll() is None:
            program.send_signal(signal.SIGINT)
            program.wait(60)
    finally:
        program.kill()
        program.wait()
        told.close()


@pytest.mark.long
def test_names_that_nobody_has_are_told_with_what_may_have_been_meant(tmp_path: Path) -> None:
    with simulated("binance", rate=1.0) as server:
        at = f",url=127.0.0.1:{server.port}"
        with up(f"binance:BTCUSDT{at}", tmp_path) as (program, told):
            told.until("expected instruments that the venue trades, was BTCUSDT; did you mean BTC-USDT?")
            assert program.wait(60) == 3
        # The same folder again: what was wrong before is not said of this run.
        with up(f"binance:BTC-USDT+ETHUSDT{at}", tmp_path) as (program, told):
            told.until("ETHUSDT is not subscribed: the venue does not list it; did you mean ETH-USDT?")
            assert program.poll() is None
            shown = look("status", "--data-dir", str(tmp_path))
            assert "ETHUSDT: the venue does not list it" in " ".join((shown.stdout + shown.stderr).split())
            assert told.text.count("ETHUSDT is not subscribed") == 1


def test_a_venue_that_is_away_is_told_and_so_is_its_return(tmp_path: Path) -> None:
    port = choose_port(0)
    with up(f"binance:BTC-USDT,url=127.0.0.1:{port}", tmp_path) as (_, told):
        told.until("the source cannot be reached, trying again")
        assert f"127.0.0.1:{port}" in told.text
        with simulated("binance", port, rate=1.0):
            told.until("the source is reached again")
