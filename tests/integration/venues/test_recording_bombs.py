"""Files that unpack to far more than they are, or nest without an end: refused in one line, in a bounded memory."""

from __future__ import annotations

import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FRAME = (
    b'1640995200.0: {"stream":"btcusdt@trade","data":{"e":"trade","E":1640995200000,"s":"BTCUSDT","t":1,"p":"1","q":"1",'
    b'"T":1640995200000,"m":true,"M":true}}\n'
)
MORE_MB = 400  # beside what the program takes before it reads
SCRIPT = f"""
import resource, sys
from pathlib import Path
import pyarrow, pyarrow.parquet
from marketprism_adapters.venues.recordings.discovery import found_recordings
from marketprism_adapters.venues.recordings.inspection import inspected
from marketprism_application.errors import SourceError
pages = int(Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + ({MORE_MB} << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    (report,) = inspected(found_recordings(sys.argv[1:]).recordings)
    print("read", report["frames"], report["rejected"])
except SourceError as error:
    print("refused", error)
"""


def packed(opener: Any, path: Path, first: bytes, fill: bytes, times: int = 250, **given: Any) -> None:
    piece = fill * 1_000_000
    with opener(path, "wb", **given) as file:
        file.write(first)
        for _ in range(times):
            file.write(piece)


BOMBS: list[tuple[str, Callable[[Path], object], str]] = [
    ("line.txt.gz", lambda path: packed(gzip.open, path, FRAME, b"0", compresslevel=1), "refused"),
    ("deep.txt.xz", lambda path: packed(lzma.open, path, FRAME, b"[", preset=0), "refused"),
    ("document.json.gz", lambda path: packed(gzip.open, path, b"[\n", b'[\n"', 100, compresslevel=1), "refused"),
    ("lines.txt.gz", lambda path: packed(gzip.open, path, b"", b"\n", compresslevel=1), "refused"),
    ("deep.txt", lambda path: path.write_bytes(FRAME + b"1640995201.0: " + b'{"a":' * 200_000 + b"\n"), "read 2 1"),
    ("deep.json", lambda path: path.write_bytes(b"[" * 2_000_000), "refused"),
    (
        "typed.jsonl",
        lambda path: path.write_bytes(FRAME + b'{"t":"recv","ts":1640995201,"data":' + b"[" * 200_000 + b"\n"),
        "read 1 1",
    ),
]


@pytest.mark.parametrize(("name", "write", "said"), BOMBS, ids=[name for name, _, _ in BOMBS])
@pytest.mark.long_on("document.json.gz")
def test_a_bomb_takes_no_more_than_a_long_line_does(
    tmp_path: Path, name: str, write: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / name
    write(path)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(said), done.stdout + done.stderr
    assert done.stdout.count("\n") == 1
    assert len(done.stdout) < 1_000
