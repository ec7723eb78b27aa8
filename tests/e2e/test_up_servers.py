"""`up` while its own servers die: everything is stored, once."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.program import children_of, process_of, server_of, start

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.xdist_group("e2e")]
SOURCE = ("--source", "sim:days=1,rate=0.5,instruments=rb2505", "--speed", "2500")


@pytest.mark.long
def test_a_server_that_was_killed_is_started_again_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Its NATS here; its ClickHouse is killed in tests/chaos."""
    check_killed(tmp_path / "data", "nats-server")


def check_killed(data: Path, word: str, *more: str) -> None:
    """Kill a server of `up` twice, and count what is stored at the end."""
    running = start("up", *SOURCE, *more, "--once", "--json", "--data-dir", str(data), "--nats-port", "0")
    killed = 0
    process_of(running.pid, "gateway")
    for _ in range(2):
        killed = server_of(running.pid, word, killed)
        time.sleep(2)  # of a source that goes on behind it
        os.kill(killed, signal.SIGKILL)
    output, _ = running.communicate(timeout=240)
    assert running.returncode == 0, output
    result = json.loads(output[output.index("{\n") :])
    assert (result["missing"], result["duplicates"], result["ok"]) == (0, 0, True)
    assert result["rows_stored"] == result["rows_read_back"] == result["published"] > 5_000
    lines = [line for line in output.splitlines() if line.endswith(("it ended with code -9", "runs again"))]
    assert [line.partition(" ")[2] for line in lines] == [
        "is started again: it ended with code -9",
        "runs again",
    ] * 2


def test_a_signal_to_the_whole_group_ends_everything_and_starts_nothing_again(tmp_path: Path) -> None:
    running = start("up", *SOURCE, "--data-dir", str(tmp_path), "--nats-port", "0")
    try:
        process_of(running.pid, "gateway")
        children = [pid for pid, _ in children_of(running.pid)]
        for pid in (*children, running.pid):  # what systemd does, to each process of a service
            os.kill(pid, signal.SIGTERM)
        output, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    assert "starting it again" not in output
    assert "is started again" not in output
    assert "service.drain_timed_out" not in output
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
