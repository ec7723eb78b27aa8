"""Passwords among the arguments of a command are not in the list of processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import choose_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the list of processes is read from /proc")
_URL = "nats://u:s3cret@127.0.0.1"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "gateway", "--nats-url", f"{_URL}:{{port}}"),
        ("run", "storage", f"--nats-url={_URL}:{{port}},{_URL}:1"),
        (
            "up",
            "--nats-url",
            f"{_URL}:{{port}}",
            "--clickhouse",
            "http://w:s3cret@127.0.0.1:1",
            "--data-dir",
            "{folder}",
        ),
        ("schema", "reader", "--password", "s3cret", "--clickhouse", "http://127.0.0.1:{port}"),
        ("schema", "reader", "--password=s3cret", "--clickhouse", "http://127.0.0.1:{port}"),
    ],
    ids=["run", "list", "up", "reader", "reader="],
)
def test_no_password_of_an_argument_is_in_the_list_of_processes(arguments: tuple[str, ...], tmp_path: Path) -> None:
    port = choose_port(0)
    given = [part.format(port=port, folder=tmp_path / "data") for part in arguments]
    command = [sys.executable, "-m", "marketprism_services", *given]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        seen = ""
        end = time.monotonic() + 60
        while process.poll() is None and "***" not in seen and time.monotonic() < end:
            try:
                seen = Path(f"/proc/{process.pid}/cmdline").read_text().replace("\0", " ")
            except OSError:
                break
            time.sleep(0.005)
        assert "***" in seen
        assert "s3cret" not in seen
        assert str(port) in seen
    finally:
        process.kill()
        process.wait()
