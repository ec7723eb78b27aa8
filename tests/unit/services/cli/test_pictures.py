"""Candlestick pictures: whole at every width, colours and zone as said, bars side by side."""

from __future__ import annotations

import io
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from marketprism_services.cli.clocks import CHINA_TIME, UTC_TIME
from marketprism_services.cli.pictures import Picture, candles_in_terminal, candles_to_file
from marketprism_services.platform.exits import Stop
from tests.support.screen import Screen, in_terminal

_MINUTE = 60_000_000_000
_OPEN = 1_538_960_400_000_000_000  # 2018-10-08 09:00 in China
_PROGRAM = """
import sys
from rich.console import Console
from marketprism_services.cli.clocks import CHINA_TIME
from marketprism_services.cli.pictures import Picture, candles_in_terminal
from tests.unit.services.cli.test_pictures import bars
candles_in_terminal(Console(), Picture(bars(200), "ru1901", "1m", CHINA_TIME, sys.argv[1]))
"""


def bars(count: int, *, step: int = _MINUTE, interval_gap: int = 12 * 3600 * 10**9) -> pa.Table:
    """Bars that rise and fall in turns; in their middle lies a night."""
    rows = []
    for number in range(count):
        ts = _OPEN + number * step + (interval_gap if number >= count // 2 else 0)
        base, risen = 12_000 + number % 37, number % 3 != 0
        opened, closed = (base, base + 9) if risen else (base + 9, base)
        prices = {"open": opened, "high": base + 12, "low": base - 3, "close": closed, "volume": 10}
        rows.append(
            {
                "ts_open": ts,
                "trading_day": "20181008",
                "gap": False,
                **{name: Decimal(value) for name, value in prices.items()},
            }
        )
    return pa.Table.from_pylist(rows)


def picture(table: pa.Table, colours: str = "chinese") -> Picture:
    return Picture(table, "ru1901", "1m", CHINA_TIME, colours)


@pytest.mark.long
def test_a_picture_is_whole_in_terminals_of_every_width() -> None:
    for columns in (80, 110, 150):
        code, output = in_terminal([sys.executable, "-c", _PROGRAM, "chinese"], columns)
        assert code == 0, output
        screen = Screen(columns).read(output)
        lines = [line for line in screen.lines() if line]
        assert len(lines) == 24, f"{columns} columns: {output}"
        frame = [line for line in lines if "│" in line or "┤" in line]
        left = lines[1].index("┌")
        # Every line of the frame begins and ends in the columns of its corners: nothing was wrapped.
        assert lines[1].endswith("┐")
        assert len(lines[1]) == columns
        assert {len(line) for line in frame} == {columns}
        assert {line[left] for line in frame} <= {"│", "┤", "└"}
        shown = columns - left - 2
        assert f"ru1901 1m, newest {shown} of 200 bars, 2018, China time" in lines[0]
        # A night takes no room: every bar has the next column.
        columns_of_bars = {
            at
            for row in screen.rows
            for at, cell in enumerate(row)
            if cell.text in "█▀▄│" and cell.colour in ("red", "green")
        }
        assert columns_of_bars == set(range(left + 1, left + 1 + shown))
        assert "10-08" in lines[-1]


def test_red_rises_and_green_falls_and_the_other_way_round_when_asked() -> None:
    table = bars(3)
    rises = {
        "chinese": {"red": 2, "green": 1},
        "western": {"red": 1, "green": 2},
    }
    for colours, expected in rises.items():
        file = io.StringIO()
        candles_in_terminal(
            Console(file=file, force_terminal=True, width=80, color_system="standard"), picture(table, colours)
        )
        screen = Screen(80).read(file.getvalue())
        found = {colour: set() for colour in expected}
        for row in screen.rows:
            for at, cell in enumerate(row):
                if cell.colour:
                    found[cell.colour].add(at)
        assert {colour: len(columns) for colour, columns in found.items()} == expected


@pytest.mark.parametrize("how", ["pipe", "no_color"])
def test_without_colours_there_are_no_codes(how: str) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=how == "no_color", no_color=how == "no_color", width=80)
    candles_in_terminal(console, picture(bars(30)))
    assert "\x1b" not in file.getvalue()
    assert "30 bars, 2018, China time" in file.getvalue()


def test_labels_have_the_year_where_the_bars_are_of_several() -> None:
    table = bars(40, step=86_400_000_000_000 * 5)
    shown = Picture(table, "ru1901", "1m", UTC_TIME)
    rows = table.to_pylist()
    assert shown.label(rows, 0) == "2018-10-08 01:00"
    assert shown.title(rows) == "ru1901 1m, 40 bars, 2018 to 2019, UTC"
    assert picture(bars(3)).label(bars(3).to_pylist(), 0) == "10-08 09:00"
    of_days = Picture(bars(3), "ru1901", "1d", CHINA_TIME)
    assert of_days.label(bars(3).to_pylist(), 0) == "10-08"


def test_one_bar_and_bars_of_one_price_are_drawn() -> None:
    row = {name: Decimal(5) for name in ("open", "high", "low", "close", "volume")}
    for count in (1, 7):
        table = pa.Table.from_pylist([{"ts_open": _OPEN + n * _MINUTE, "gap": False, **row} for n in range(count)])
        file = io.StringIO()
        candles_in_terminal(Console(file=file, width=80), picture(table))
        assert "China time" in file.getvalue()
        assert "█" in file.getvalue()


def test_files_name_the_year_and_the_zone(tmp_path: Path) -> None:
    for ending in (".svg", ".html"):
        path = tmp_path / f"picture{ending}"
        candles_to_file(picture(bars(20)), path)
        text = path.read_text(encoding="utf-8")
        assert "ru1901 1m, 20 bars, 2018, China time" in text
        assert "10-08 09:00" in text
    candles_to_file(picture(bars(20)), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(Stop, match=r"ending in .png, .svg or .html"):
        candles_to_file(picture(bars(20)), tmp_path / "picture.gif")
    with pytest.raises(Stop, match="expected a writable file"):
        candles_to_file(picture(bars(20)), tmp_path / "none" / "picture.png")


@pytest.mark.parametrize("colours", ["chinese", "western"])
def test_without_colours_a_bar_that_falls_has_another_body(colours: str) -> None:
    file = io.StringIO()
    candles_in_terminal(Console(file=file, width=80), picture(bars(30), colours))
    text = file.getvalue()
    assert "\x1b" not in text
    assert text.splitlines()[-1] == "█ rises, ░ falls"
    assert 0 < text.count("░") < text.count("█"), "two of three rise"


def test_a_title_that_is_wider_than_the_picture_stands_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    file = io.StringIO()
    candles_in_terminal(Console(file=file, width=40), picture(bars(200)))
    assert file.getvalue().splitlines()[0].startswith("ru1901 1m, newest 3")
