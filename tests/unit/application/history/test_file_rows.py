"""Rows of files as records: when a bar opens and closes, its trading day, what a file lacks, what cannot be stored."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.history.file_rows import FileRows, rows_of
from marketprism_application.history.targets import ImportTarget, target_of
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.ports.imports import FileHints
from tests.support.bar_series import CALENDAR
from tests.support.import_files import T0, aggregated, kline, rates, spot_klines, tardis_book, tardis_trades, zipped

MINUTE = 60 * 10**9
COPPER = FileHints("shfe", "cu1905")
LATER = CheckAsked(2 * 10**18)


def parts_of(path: Path, hints: FileHints | None = None, asked: CheckAsked = LATER, **more: object) -> list[FileRows]:
    file = open_rows_file(path, hints)
    (series,) = file.facts.series
    target: ImportTarget = target_of(file.facts, series, **more)  # type: ignore[arg-type]
    return list(rows_of(file, series, target, CALENDAR, asked))


def bars_file(folder: Path, times: Sequence[str], *, volume: str = "5") -> Path:
    path = folder / "cu1905.csv"
    rows = "".join(f"{time_},47000,47010,46990,47000,{volume}\n" for time_ in times)
    path.write_text("datetime,open,high,low,close,volume\n" + rows)
    return path


def test_a_bar_has_the_bounds_and_the_day_that_the_calendar_gives_it(tmp_path: Path) -> None:
    night = ["2019-05-06 21:00", "2019-05-06 21:01"]
    (part,) = parts_of(bars_file(tmp_path, [*night, "2019-05-07 10:14", "2019-05-07 10:30"]), COPPER)
    rows = part.table.to_pylist()
    assert [row["trading_day"] for row in rows] == ["20190507"] * 4
    assert {row["ts_close"] - row["ts_open"] for row in rows} == {MINUTE}
    assert all(row["ts_event"] == row["ts_recv"] == row["ts_close"] for row in rows)
    assert {row["ts_pub"] for row in rows} == {LATER.now_ns}
    assert (rows[0]["turnover"], rows[0]["open_interest"], rows[0]["source"]) == (0, None, "import:table")
    assert part.given == {"open", "high", "low", "close", "volume"}
    assert part.row.tolist() == [2, 3, 4, 5]


def test_bars_that_bear_their_end_open_where_they_begin(tmp_path: Path) -> None:
    times = [f"2019-05-07 09:{n:02d}" for n in range(1, 60)] + ["2019-05-07 10:15", "2019-05-07 10:31"]
    (part,) = parts_of(bars_file(tmp_path, times), COPPER)
    opened = part.table.column("ts_open").to_pylist()
    assert (opened[0] + 8 * 3_600 * 10**9) // MINUTE % 1_440 == 540  # 09:00 in China
    assert (opened[-1] + 8 * 3_600 * 10**9) // MINUTE % 1_440 == 630


def test_of_rows_of_one_bar_those_that_differ_are_left_out_and_the_same_is_one(tmp_path: Path) -> None:
    times = ["2019-05-07 09:00", "2019-05-07 09:01", "2019-05-07 09:01", "2019-05-07 09:02", "2019-05-07 09:02"]
    path = bars_file(tmp_path, times)
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(",5", ",6")
    path.write_text("\n".join(lines) + "\n")
    (part,) = parts_of(path, FileHints("shfe", "cu1905", "1m"))
    assert (part.table.num_rows, part.left_out, part.repeated) == (2, 2, 1)


def test_a_bar_that_is_being_made_is_none(tmp_path: Path) -> None:
    now = (T0 * 10**6) + 2 * MINUTE + 1
    (part,) = parts_of(spot_klines(tmp_path), asked=CheckAsked(now))
    assert part.table.num_rows == 2
    (part,) = parts_of(spot_klines(tmp_path), asked=CheckAsked(now, T0 * 10**6 + MINUTE))
    assert part.table.column("ts_open").to_pylist() == [T0 * 10**6 + MINUTE]


def test_a_file_is_cut_into_parts(tmp_path: Path) -> None:
    for path in (spot_klines(tmp_path), aggregated(tmp_path)):
        file = open_rows_file(path)
        (series,) = file.facts.series
        parts = rows_of(file, series, target_of(file.facts, series), CALENDAR, LATER, 2)
        assert [part.table.num_rows for part in parts] == [2, 1]


def test_trades_have_the_venues_number_and_an_id_that_is_none_has_always_the_same(tmp_path: Path) -> None:
    (part,) = parts_of(aggregated(tmp_path))
    assert part.table.column("seq").to_pylist() == [900, 901, 902]
    assert part.table.column("first_id").to_pylist() == [10, 12, 14]
    path = tardis_trades(tmp_path)
    (first,), (again,) = parts_of(path), parts_of(path)
    assert first.table.column("seq").equals(again.table.column("seq"))


def test_rates_of_an_archive_are_settled_ones(tmp_path: Path) -> None:
    (part,) = parts_of(rates(tmp_path))
    row = part.table.to_pylist()[0]
    assert row["settled"] is True
    assert row["ts_funding"] == row["ts_event"]


def test_amounts_of_contracts_need_their_size(tmp_path: Path) -> None:
    rows = "\n".join(kline(n) for n in range(3))
    path = zipped(tmp_path / "coin.zip", "BTCUSD_PERP-1m-2024-01.csv", rows + "\n")
    with pytest.raises(QueryError, match="is counted in contracts there"):
        parts_of(path)
    (part,) = parts_of(path, size=Decimal(100))
    file = open_rows_file(path)
    raw = pa.Table.from_batches(list(file.batches(file.facts.series[0])))
    assert part.table.column("volume").to_pylist() == [each * 100 for each in raw.column("volume").to_pylist()]


def test_what_is_not_stored_from_files_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="to be stored, was orderbook"):
        parts_of(tardis_book(tmp_path))
    with pytest.raises(QueryError, match="kind: expected bar, for shfe sends no bars of its own, was kline"):
        parts_of(bars_file(tmp_path, ["2019-05-07 09:00"]), FileHints("shfe", "cu1905", "1m"), kind="kline")
    path = bars_file(tmp_path, ["2019-05-07 09:00", "2019-05-07 09:01"], volume="12345678901234567890")
    with pytest.raises(SourceError, match="volume: expected at most 19 digits before the point"):
        parts_of(path, COPPER)
