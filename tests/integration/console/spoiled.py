"""A true recording in which some rows were spoiled, and some taken out: what the pages of data and quality show."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

DAY = "20181009"
HOLE = ("10:35:00", "10:44:00")  # of its rows none is left
Row = dict[str, str]


def _above(row: Row) -> None:
    row["UpperLimitPrice"] = "12500.00"


def _negative(row: Row) -> None:
    row["Volume"] = "-5"


def _crossed(row: Row) -> None:
    row["BidPrice1"] = "12999.00"


# By the time of the first row from then on: the reason for which it is rejected, its field and what it should have been
# (None: what its neighbour has), and how it is spoiled.
SPOILED: dict[str, tuple[str, str, str | None, Callable[[Row], None]]] = {
    "09:30:00": ("price_above_limit", "last", "12500", _above),
    "09:40:00": ("volume_negative", "volume", "0", _negative),
    "14:00:00": ("book_crossed", "bids", None, _crossed),
}


def spoil(recording: Path, to: Path) -> None:
    """Write the recording with its spoiled rows."""
    waiting = dict(SPOILED)
    with gzip.open(recording, "rt", newline="") as source, gzip.open(to, "wt", newline="") as made:
        reader = csv.DictReader(source)
        writer = csv.DictWriter(made, reader.fieldnames or (), quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        for row in reader:
            time = row["UpdateTime"]
            if HOLE[0] <= time < HOLE[1]:
                continue
            for since in [each for each in waiting if each <= time < "15:00:00"]:
                waiting.pop(since)[3](row)
            writer.writerow(row)
    assert not waiting
