"""What the pages are looked at with: Chromium, and pipelines that have read true recordings."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.integration.console.spoiled import spoil
from tests.support.browser import chromium
from tests.support.console import Site, running_site
from tests.support.recordings import part_of

DAYS = ("20181008", "20181009", "20181010")
HOLE = ("14:10:20", "14:16:40")  # of the last day: rows that a test leaves out
EVERY = 3  # rows of these recordings: pages show as much, and two thirds of the work are left out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of one module: while it runs, no other loop can be begun in its thread."""
    with chromium() as running:
        yield running


def _with_hole(recording: Path, folder: Path) -> Path:
    found = folder / recording.name
    with gzip.open(recording, "rt", newline="") as rows, gzip.open(found, "wt", newline="") as kept:
        reader = csv.reader(rows)
        writer = csv.writer(kept)
        head = next(reader)
        writer.writerow(head)
        time = head.index("UpdateTime")
        writer.writerows(row for row in reader if not HOLE[0] <= row[time] < HOLE[1])
    return found


@pytest.fixture(scope="package")  # not of the session: it would run on, idle, beside all that comes after
def futures(fixtures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three days of rubber, recorded at a counter of the Shanghai Futures Exchange: some minutes of the last are not
    there, and some rows of the second are spoiled."""
    folder = tmp_path_factory.mktemp("futures")
    whole = [fixtures / f"ctp/ticks/ru1901_{day}.csv.gz" for day in DAYS]
    thinned = tmp_path_factory.mktemp("thinned")
    files = [part_of(path, thinned, slice(0, None, EVERY)) for path in whole]
    spoil(files[1], folder / files[1].name)
    files[1] = folder / files[1].name
    files[2] = _with_hole(files[2], folder)
    with running_site(folder, f"replay:{','.join(map(str, files))}") as site:
        last = 1_539_183_540_000_000_000
        site.until(lambda: site.ask("/bars/ru1901?interval=1m&last=1")[0]["ts_open"] == last, within_s=240)
        site.until(lambda: len(site.ask("/coverage?symbols=ru1901")) >= len(DAYS))
        yield site
