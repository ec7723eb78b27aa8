"""Tables as a person reads them: no value is cut, whatever the width of the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketprism_application.contracts.codec import plain
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import NANOS_PER_SECOND, Interval
from marketprism_services.cli.clocks import UTC_TIME, Zone
from marketprism_services.cli.language.catalogue import spoken

if TYPE_CHECKING:
    from marketprism_application.contracts.plain_table import Table as Data

Row = Mapping[str, Any]
_PIPED = 100_000  # columns: whoever reads a pipe has no margin
_GAP = 2
_WORDS = 12  # down to this width a column of words folds
_BAR_COLUMNS = ("ts_open", "trading_day", "open", "high", "low", "close", "volume", "open_interest", "gap")
_BAR_DROPS = ("open_interest",)
_INSTANTS = ("ts_due", "ts_event", "ts_from", "ts_to")  # of one second there may be several
_NAMES = ("venue", "symbol")
# Columns whose single words are the program's own.
_STATES = ("role", "health", "status", "state", "owner", "class_", "verdict", "cause", "newest_run", "origin")


class Look(NamedTuple):
    """How a table is shown: title, zone, how many of its newest rows, and which columns go first where it is narrow."""

    title: str = ""
    zone: Zone = UTC_TIME
    last: int = 20
    drop: tuple[str, ...] = ()


_PLAIN = Look()


class _Column(NamedTuple):
    name: str
    head: str
    cells: list[str]
    numeric: bool

    @property
    def widest(self) -> int:
        return max([_wide(word) for word in self.head.split()] + [_wide(cell) for cell in self.cells])

    @property
    def least(self) -> int:
        """A number or a time that is cut is another one: only words fold."""
        return self.widest if self.numeric else min(self.widest, max(_WORDS, *(_wide(w) for w in self.head.split())))


def _wide(text: str) -> int:
    return Text(text).cell_len


def printable(text: str) -> str:
    """A text with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def cell(name: str, value: object, zone: Zone = UTC_TIME, *, with_ms: bool = False) -> str:
    """One value as a person reads it."""
    if value is None or value in ({}, "{}"):
        return ""
    if name.startswith("ts_") and isinstance(value, int):
        return zone.text(value, with_ms=with_ms)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    if name == "reasons" and isinstance(value, str):
        return printable(_counts(value))
    return printable(str(value))


def _counts(text: str) -> str:
    """Counts by name, which are stored as JSON, as a person writes them; empty where there are none."""
    try:
        found = json.loads(text) if text.startswith("{") else None
    except ValueError:
        found = None
    return text if not isinstance(found, dict) else ", ".join(f"{name} {count}" for name, count in found.items())


def heading(name: str) -> str:
    """Column title: `ts_open` becomes `open at`, because a time of day is shown."""
    return f"{name.removeprefix('ts_')} at" if name.startswith("ts_") else name.strip("_").replace("_", " ")


def rows_of(data: Data | Sequence[Row], last: int) -> list[Row]:
    """The newest `last` rows of an Arrow table, or of rows."""
    if isinstance(data, Sequence):
        return list(data[-last:])
    return list(data.slice(max(0, data.num_rows - last)).to_pylist())


def show_table(console: Console, data: Data | Sequence[Row], columns: Sequence[str], look: Look = _PLAIN) -> None:
    """Print rows as a table.

    In a terminal that is too narrow words fold; then the columns of `drop` go, which is said; then a row is shown as
    lines of `name  value`. Into a pipe a row is one line.
    """
    rows = rows_of(data, look.last)
    shown = [_column(name, rows, look.zone) for name in columns]
    width = console.width if console.is_terminal else _PIPED
    left_out: list[str] = []
    for name in look.drop:
        if _least(shown) <= width:
            break
        if any(column.name == name for column in shown):
            shown = [column for column in shown if column.name != name]
            left_out.append(spoken().translate(heading(name)))
    if look.title:
        console.print(look.title, style="italic", highlight=False, markup=False, soft_wrap=True)
    if _least(shown) > width:
        _vertical(console, [_column(name, rows, look.zone) for name in columns], len(rows))
        return
    _print(console, shown, rows)
    if left_out:
        names = ", ".join(left_out)
        text = f"not shown at {width} columns: {names}; a wider terminal or --format csv has them"
        console.print(text, style="dim", highlight=False, markup=False)


def _column(name: str, rows: Sequence[Row], zone: Zone) -> _Column:
    values = [row.get(name) for row in rows]
    # A time and a day are words that must stay whole.
    whole = name.startswith("ts_") or name == "trading_day"
    numeric = whole or not any(isinstance(value, str | list | dict) for value in values)
    # In the user's language from here on: the widths are those of what is shown.
    with_ms = name in _INSTANTS and any(isinstance(value, int) and value % NANOS_PER_SECOND for value in values)
    cells = [_in_language(name, cell(name, value, zone, with_ms=with_ms)) for value in values]
    return _Column(name, spoken().translate(heading(name)), cells, numeric)


def _in_language(name: str, text: str) -> str:
    """A cell in the user's language: reasons and notes are sentences, a single word is a value as a rule."""
    return spoken().translate(text) if name in _STATES or " " in text else text


def _least(columns: Sequence[_Column]) -> int:
    return sum(column.least for column in columns) + _GAP * (len(columns) - 1)


def _print(console: Console, columns: Sequence[_Column], rows: Sequence[Row]) -> None:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        words = column.name.startswith("ts_") or not column.numeric
        # A heading folds between its words; what stands below it must not.
        table.add_column(
            column.head,
            justify="left" if words else "right",
            overflow="fold",
            min_width=column.least,
            no_wrap=False,
        )
    for number, row in enumerate(rows):
        style = "yellow" if row.get("gap") is True else None
        table.add_row(*(Text(column.cells[number]) for column in columns), style=style)
    wide = console if console.is_terminal else Console(file=console.file, width=_PIPED)
    wide.print(table)


def _vertical(console: Console, columns: Sequence[_Column], count: int) -> None:
    longest = max(_wide(column.head) for column in columns)
    for number in range(count):
        if number:
            console.print()
        for column in columns:
            text = f"{column.head}{' ' * (longest - _wide(column.head))}  {column.cells[number]}"
            console.print(text, highlight=False, markup=False, overflow="fold")


def with_names(data: Data, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns, behind those that say of which instrument a row is, where the rows are of several."""
    shown = [name for name in _NAMES if name in data.column_names and name not in columns]
    return (*(name for name in shown if len(set(data.column(name).to_pylist())) > 1), *columns)


def several_of(data: Data) -> list[str]:
    """The instruments of an answer, `shfe.ru1901`, where it is of several; else none."""
    pairs = set(zip(*(data.column(name).to_pylist() for name in _NAMES), strict=True))
    return sorted(f"{venue}.{symbol}" for venue, symbol in pairs) if len(pairs) > 1 else []


def bar_columns(data: Data, interval: str) -> list[str]:
    """The columns of bars: open interest where it is known, the trading day of bars of a day and more, and of which
    instrument a bar is where they are of several."""
    columns = [name for name in _BAR_COLUMNS if name in data.column_names]
    if "open_interest" in columns and not any(value is not None for value in data.column("open_interest").to_pylist()):
        columns.remove("open_interest")
    if "trading_day" in columns and not is_of_days(interval):
        columns.remove("trading_day")
    return list(with_names(data, columns))


def is_of_days(interval: str) -> bool:
    """Whether bars of an interval last a trading day or longer."""
    try:
        parsed = Interval.parse(interval)
    except InvalidValue:  # made of ticks, volume …
        return False
    return parsed.unit in "dw"


def show_bars(console: Console, data: Data, interval: str, look: Look) -> None:
    """Print bars; yellow rows overlap a known gap."""
    show_table(console, data, bar_columns(data, interval), look._replace(drop=_BAR_DROPS))
