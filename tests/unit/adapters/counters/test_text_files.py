"""Files of lines that are no lines."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from marketprism_adapters.counters.recordings.text_files import MOST_BYTES, TextFile
from marketprism_application.errors import SourceError


def test_a_packed_line_without_an_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b"a,b\n")
        for _ in range(200):
            file.write(b"0" * (1 << 20))
    tracemalloc.start()
    lines = TextFile(path).lines()
    assert next(lines) == "a,b\n"
    with pytest.raises(SourceError, match="expected lines of at most 1 MiB, one is longer"):
        next(lines)
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_lines_of_any_form_are_read_whole_however_many(tmp_path: Path, ending: str, encoding: str) -> None:
    wide = "x" * (MOST_BYTES // 4)
    text = ending.join(["a,b", *(f"{number},行" for number in range(200_000)), wide, ""])
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    found = list(TextFile(path).lines())
    assert len(found) == 200_002
    assert found[-1].rstrip("\r\n") == wide
