"""Tables: no value is cut at 80 columns, into a pipe a row is a line, times have their year."""

from __future__ import annotations

import io
from decimal import Decimal

import pyarrow as pa
import pytest
from rich.console import Console

from marketprism_services.cli.clocks import CHINA_TIME, UTC_TIME
from marketprism_services.cli.tables import Look, bar_columns, cell, several_of, show_bars, show_table, with_names

_TS = 1_539_003_600_000_000_000  # 2018-10-08 21:00 in China
_WIDE = {
    "ts_from": _TS,
    "score": 100,
    "ticks": 123_456,
    "accepted": 123_400,
    "rejected": 56,
    "stale": 12_345,
    "warned": 23_456,
    "anomalies": 12,
    "reasons": '{"time_reversed": 51, "price_out_of_limits": 5}',
}
_DAY = {
    "trading_day": "20181009",
    "first": Decimal("12480.25"),
    "high": Decimal("12510.25"),
    "low": Decimal("12220.25"),
    "last": Decimal("12330.25"),
    "volume": Decimal("257762.123"),
    "ticks": 24_331,
    "bars": 225,
    "minutes": 225,
    "complete": Decimal("0.3478"),
    "gaps": 12,
}


def shown(rows: list[dict[str, object]], *, width: int = 80, terminal: bool = True, drop: tuple[str, ...] = ()) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, color_system=None)
    show_table(console, rows, tuple(rows[0]), Look("a title", CHINA_TIME, drop=drop))
    return file.getvalue()


@pytest.mark.parametrize(
    ("row", "drop"),
    [(_WIDE, ("anomalies", "accepted", "warned", "stale")), (_DAY, ("minutes", "bars", "ticks", "first", "volume"))],
)
def test_at_80_columns_every_value_is_whole_or_its_column_is_named_as_missing(
    row: dict[str, object], drop: tuple[str, ...]
) -> None:
    text = shown([row], drop=drop)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "…" not in text
    missing = next((line for line in text.splitlines() if line.startswith("not shown at 80 columns")), "")
    for name, value in row.items():
        expected = CHINA_TIME.text(value) if name == "ts_from" and isinstance(value, int) else str(value)
        heading = name.removeprefix("ts_").replace("_", " ")
        whole = "".join(text.split()).find("".join(expected.split())) >= 0 or name == "reasons"
        assert whole or heading in missing, f"{name} is neither shown whole nor named: {text}"


def test_what_fits_at_no_width_is_shown_as_lines_of_names_and_values() -> None:
    text = shown([_DAY], width=30)
    assert "trading day  20181009" in text.splitlines()
    assert "12480.25" in text


def test_into_a_pipe_a_row_is_a_line_and_nothing_is_dropped() -> None:
    text = shown([{**_WIDE, "reasons": "x" * 500}], terminal=False, drop=("stale",))
    assert len(text.splitlines()) == 3
    assert "x" * 500 in text
    assert "12345" in text


def test_times_have_their_year_and_what_a_terminal_would_obey_is_not_printed() -> None:
    text = shown([{"ts_from": _TS, "symbol": "[bold]ru\x1b[31m"}])
    assert "2018-10-08 21:00:00" in text
    assert "[bold]ru" in text
    assert "\x1b" not in text


def test_bars_of_a_day_and_more_have_their_trading_day() -> None:
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), Decimal(1))
    table = pa.Table.from_pylist(
        [{"ts_open": _TS, "trading_day": "20181009", **prices, "open_interest": Decimal(5), "gap": True}]
    )
    assert "trading_day" in bar_columns(table, "1d")
    assert "trading_day" in bar_columns(table, "1w")
    assert not {"trading_day"} & {*bar_columns(table, "1h"), *bar_columns(table, "tick:100")}
    file = io.StringIO()
    show_bars(Console(file=file, width=80), table, "1d", Look("bars", UTC_TIME))
    assert "2018-10-08 13:00:00" in file.getvalue()
    assert "20181009" in file.getvalue()


@pytest.mark.parametrize(
    ("stored", "text"),
    [("{}", ""), ('{"time_reversed": 51, "stale": 5}', "time_reversed 51, stale 5"), ("{broken", "{broken"), ("", "")],
)
def test_reasons_are_counts_by_name_and_nothing_where_there_are_none(stored: str, text: str) -> None:
    assert cell("reasons", stored) == text


def test_what_happens_twice_a_second_shows_its_milliseconds() -> None:
    rows: list[dict[str, object]] = [{"ts_event": _TS, "last": 1}, {"ts_event": _TS + 500_000_000, "last": 2}]
    text = shown(rows)
    assert "2018-10-08 21:00:00.000" in text
    assert "2018-10-08 21:00:00.500" in text
    assert "21:00:00." not in shown([{"ts_event": _TS, "last": 1}]), "whole seconds stay short"


def test_rows_of_several_instruments_say_of_which_they_are() -> None:
    def named(*names: tuple[str, str]) -> pa.Table:
        return pa.Table.from_pylist([{"venue": venue, "symbol": symbol, "close": 1} for venue, symbol in names])

    one = named(("czce", "AP101"), ("czce", "AP101"))
    assert with_names(one, ("close",)) == ("close",)
    assert several_of(one) == []
    two = named(("czce", "AP101"), ("czce", "AP010"))
    assert with_names(two, ("close",)) == ("symbol", "close")
    assert bar_columns(two, "1m") == ["symbol", "close"]
    assert several_of(two) == ["czce.AP010", "czce.AP101"]
    assert with_names(named(("okx", "BTC-USDT"), ("binance", "BTC-USDT")), ("close",)) == ("venue", "close")
    assert with_names(two, ("symbol", "close")) == ("symbol", "close")


def test_no_reasons_are_nothing() -> None:
    assert "{}" not in shown([{"ts_from": _TS, "reasons": {}}, {"ts_from": _TS, "reasons": "{}"}])
