"""What a format says of a table: which column is which field, and how its times are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from marketprism_application.errors import SourceError

CONSTANT_TAKER = "taker"  # a column that says who took, as a flag: true means that the buyer was the maker


class Sample(NamedTuple):
    """The first rows of a table: its column names, empty where it has none, cells as text, and the file's member."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    member: str = ""

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.rows[0]) if self.rows else len(self.names)

    def column(self, at: int) -> list[str]:
        """The cells of a column."""
        return [row[at] for row in self.rows if at < len(row)]


@dataclass(frozen=True)
class Layout:
    """How a format's table is read.

    `columns` names every column in order. `fields` gives fields of `ports.imports.ROWS` their columns; a time may be
    written in two, date and time. `base_day`: times are milliseconds of that day, days since 1970. `maker_flag` is a
    column that is true where the buyer was the maker. `symbols`, `venues`, `intervals` are columns that tell series
    apart.
    """

    format: str
    kind: str
    columns: tuple[str, ...]
    fields: Mapping[str, str]
    header: bool = True
    delimiter: str = ","
    second_time: str = ""
    base_day: int | None = None
    maker_flag: str = ""
    symbols: str = ""
    venues: str = ""
    intervals: str = ""
    venue: str = ""
    symbol: str = ""
    native: str = ""
    interval: str = ""
    dense: bool | None = None
    stamped: str = ""
    guessed: bool = False
    own_bars: bool = False  # the venue itself made them
    own_names: bool = False  # instruments and venues are called as this product calls them
    checksum: bool = False  # the file's sum is published beside it
    zone: str = ""
    remarks: tuple[str, ...] = field(default=())


def check_names(where: str, names: Sequence[str]) -> None:
    """That each column can be asked for by its name.

    Raises:
        SourceError: two have the same.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"{where}: expected each column once, was {twice[:80]!r} twice")


def positions(names: Sequence[str]) -> dict[str, int]:
    """Where each column is, by its name in small letters without signs around it."""
    return {cleaned(name): at for at, name in reversed(list(enumerate(names)))}


def cleaned(name: str) -> str:
    """A column's name as it is compared: `<Open>` and ` Open` are `open`, `DateTime` is `datetime`."""
    return name.strip().strip("<>\"'#").strip().lower().replace(" ", "_")
