"""Parts of recordings."""

from __future__ import annotations

import gzip
from pathlib import Path


def part_of(recording: Path, folder: Path, rows: slice) -> Path:
    """A recording of some of another's rows and its last one, under the same name in `folder`."""
    with gzip.open(recording, "rt", encoding="utf-8") as whole:
        header, *all_rows, last = whole.readlines()
    part = folder / recording.name
    with gzip.open(part, "wt", encoding="utf-8") as file:
        file.writelines([header, *all_rows[rows], last])
    return part
