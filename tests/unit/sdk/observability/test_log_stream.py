"""What cannot be logged ends nothing, and is not silent."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from marketprism_sdk.observability._log_stream import LogStream

_PROGRAM = """
import logging, sys
import structlog
from marketprism_sdk.observability import logs
logs.configure(service="test")
structlog.get_logger().warning("nats.unreachable", error="x")
logging.getLogger("aiohttp").error("of a library")
print(logs.stream().lines_lost, logs.stream().health(), file=sys.stdout)
"""


def test_a_full_disk_costs_lines_which_are_counted_until_there_is_room() -> None:
    class Disk(io.StringIO):
        full = True

        def write(self, text: str, /) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    disk = Disk()
    stream = LogStream(disk)
    stream.write("one\n")
    stream.write("two\n")
    assert stream.health() == "degraded: 2 lines could not be written: No space left on device"
    disk.full = False
    stream.write("three\n")
    assert (disk.getvalue(), stream.lines_lost, stream.health()) == ("three\n", 2, "healthy")
    disk.close()
    stream.write("four\n")
    assert "closed file" in stream.health()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_program_goes_on_whose_standard_error_is_full_or_has_no_reader(unbuffered: str) -> None:
    command, environment = [sys.executable, "-c", _PROGRAM], {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w", encoding="ascii") as full:  # noqa: PTH123 (a device)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=True, env=environment)
    assert done.stdout.startswith("2 degraded: 2 lines could not be written: ")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, text=True, check=True, env=environment)
    os.close(writer)
    assert "Broken pipe" in done.stdout


def test_a_line_that_a_pipe_takes_in_parts_is_whole() -> None:
    """A pipe holds 64 kB; its reader takes them little by little."""
    program = (
        "import sys; from marketprism_sdk.observability._log_stream import LogStream\n"
        "LogStream(sys.stderr).write(chr(0x4EF7) * 100_000 + chr(10))"
    )
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=True, env=environment)
    assert done.stderr.decode() == "价" * 100_000 + "\n"
