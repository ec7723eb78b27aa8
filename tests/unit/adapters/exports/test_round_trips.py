"""What is exported is read again by the importers, equal: vnpy's database, LEAN's zips, Parquet."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketprism_adapters.exports import hive_parquet, lean, vnpy_sqlite
from marketprism_adapters.exports.registry import EXPORTS
from marketprism_adapters.exports.series import ExportSeries
from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.history.file_rows import rows_of
from marketprism_application.history.targets import target_of
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.ports.imports import FileHints
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.contract.test_codec import SAMPLES
from tests.support.bar_series import CALENDAR
from tests.unit.adapters.exports.export_rows import MINUTE, PERP, T0, books, klines, rows, trades

CHINA = ZoneInfo("Asia/Shanghai")
COPPER = ExportSeries("shfe", "cu1905", "1m", "cu1905", CHINA)
OPENED = 1_557_104_400 * 10**9  # 2019-05-06 09:00 in China
KEYS = ("venue", "symbol", "interval", "ts_open", "ts_close", "ts_event")
NUMBERS = ("open", "high", "low", "close", "volume")


def bars(count: int, days: int = 1) -> list[Any]:
    """Minutes of the morning of several trading days."""
    found = []
    for day in range(days):
        for n in range(count):
            opened = OPENED + day * 86_400 * 10**9 + n * MINUTE
            found.append(
                SAMPLES["bar"]._replace(
                    venue="shfe",
                    symbol="cu1905",
                    interval="1m",
                    ts_open=opened,
                    ts_close=opened + MINUTE,
                    ts_event=opened + MINUTE,
                    trading_day=f"201905{6 + day:02d}",
                    open=Decimal(47000),
                    high=Decimal(47010 + 10 * (n % 3)),
                    low=Decimal(46990),
                    close=Decimal(47000),
                    volume=Decimal(n + 1),
                    turnover=Decimal(235_000 * (n + 1)),
                    open_interest=Decimal(180_000 + n),
                )
            )
    return found


def imported(path: Path, hints: FileHints, kind: str = "", calendar: MarketCalendar = CALENDAR) -> pa.Table:
    file = open_rows_file(path, hints)
    (series,) = file.facts.series
    target = target_of(file.facts, series, kind)
    parts = rows_of(file, series, target, calendar, CheckAsked(2 * 10**18))
    return pa.concat_tables([part.table for part in parts])


def same(found: pa.Table, wanted: pa.Table, fields: tuple[str, ...]) -> None:
    assert found.num_rows == wanted.num_rows
    for name in fields:
        assert found.column(name).to_pylist() == wanted.column(name).to_pylist(), name


def test_a_database_of_vnpy(tmp_path: Path) -> None:
    table = rows("bar", bars(30))
    done = vnpy_sqlite.write(COPPER, {"bar": [table.slice(0, 20), table.slice(20)]}, tmp_path)
    assert done.remarks == ("times are of Asia/Shanghai: database.timezone has to be the same",)
    found = imported(done.files[0], FileHints())
    same(found, table, (*KEYS, *NUMBERS, "turnover", "open_interest", "trading_day"))
    vnpy_sqlite.write(COPPER, {"bar": [rows("bar", bars(40))]}, tmp_path)  # what is there is replaced
    with closing(sqlite3.connect(done.files[0])) as database:
        overview = database.execute("SELECT symbol, exchange, interval, count, start, end FROM dbbaroverview")
        assert overview.fetchall() == [("cu1905", "SHFE", "1m", 40, "2019-05-06 09:00:00", "2019-05-06 09:39:00")]
        indexes = database.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%UNIQUE%'")
        assert len(indexes.fetchall()) == 4


def test_ticks_in_a_database_of_vnpy(tmp_path: Path) -> None:
    tick = SAMPLES["tick"]._replace(venue="shfe", symbol="cu1905", ts_event=OPENED + 500 * 10**6, limit_up=None)
    done = vnpy_sqlite.write(COPPER, {"tick": [rows("tick", [tick])]}, tmp_path)
    with closing(sqlite3.connect(done.files[0])) as database:
        database.row_factory = sqlite3.Row
        (row,) = database.execute("SELECT * FROM dbtickdata").fetchall()
    assert (row["datetime"], row["exchange"], row["limit_up"]) == ("2019-05-06 09:00:00.500000", "SHFE", 0.0)
    assert row["last_price"] == float(tick.last)
    assert row["bid_price_1"] == float(tick.bids[0].price)
    assert row["ask_volume_1"] == float(tick.asks[0].quantity)


def test_lean_has_a_zip_a_day(tmp_path: Path) -> None:
    table = rows("kline", klines(1_445))
    done = lean.write(PERP, {"kline": [table]}, tmp_path)
    day = tmp_path / "cryptofuture" / "binance" / "minute" / "btcusdt"
    assert done.files == (day / "20240101_trade.zip", day / "20240102_trade.zip")
    with zipfile.ZipFile(done.files[0]) as archive:
        assert archive.namelist() == ["20240101_btcusdt_minute_trade_perp.csv"]
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    assert len(lines) == 1_440
    assert lines[1] == "60000,42001.1,42010.5,41990.25,42006,2.125"
    hints = FileHints("binance", "BTC-USDT-PERP")
    found = pa.concat_tables([imported(path, hints, "kline") for path in done.files])
    same(found, table, (*KEYS, *NUMBERS))
    with pytest.raises(QueryError, match="LEAN has no market of shfe"):
        lean.write(COPPER, {"bar": [rows("bar", bars(1))]}, tmp_path)


@pytest.mark.parametrize(
    ("kind", "made", "series", "fields"),
    [
        ("bar", lambda: bars(20, 2), COPPER, (*KEYS, *NUMBERS, "turnover", "open_interest", "trading_day")),
        ("kline", lambda: klines(20), PERP, (*KEYS, *NUMBERS, "turnover", "trades", "taker_buy_volume", "closed")),
        (
            "trade",
            lambda: trades([(n, n) for n in range(20)]),
            PERP,
            ("venue", "symbol", "ts_event", "seq", "trade_id", "price", "quantity", "side", "first_id", "last_id"),
        ),
    ],
)
def test_parquet_a_file_a_day(
    kind: str, made: Callable[[], list[Any]], series: ExportSeries, fields: tuple[str, ...], tmp_path: Path
) -> None:
    table = rows(kind, made())
    done = hive_parquet.write(series, {kind: [table]}, tmp_path)
    name = f"{series.venue}.{series.symbol}{'' if kind == 'trade' else '.1m'}.parquet"
    day = "2024-01-01" if series is PERP else "2019-05-06"
    assert done.files[0] == tmp_path / f"kind={kind}" / f"day={day}" / name
    found = pa.concat_tables([imported(path, FileHints()) for path in done.files])
    same(found, table, fields)


def test_parquet_of_rows_whose_days_are_not_in_order(tmp_path: Path) -> None:
    table = rows("bar", bars(3, days=2))
    mixed = table.take([3, 0, 4, 1, 5, 2])
    hive_parquet.write(COPPER, {"bar": [mixed]}, tmp_path)
    for day, wanted in (("2019-05-06", table.slice(0, 3)), ("2019-05-07", table.slice(3, 3))):
        found = pq.read_table(tmp_path / f"kind=bar/day={day}/shfe.cu1905.1m.parquet", partitioning=None)
        assert found.column("ts_open").to_pylist() == wanted.column("ts_open").to_pylist()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["shfe.cu1905.1m.parquet"] * 2


def test_days_are_written_as_they_come_and_what_comes_too_late_is_refused(tmp_path: Path) -> None:
    """A day is a file as soon as the next one begins: what comes behind it is not in memory yet."""
    table = rows("bar", bars(3, days=3))
    found: list[int] = []

    def pages() -> Iterator[pa.Table]:
        for at in range(table.num_rows):
            found.append(len(list(tmp_path.rglob("*.parquet"))))
            yield table.slice(at, 1)

    done = hive_parquet.write(COPPER, {"bar": pages()}, tmp_path)
    assert (len(done.files), done.rows) == (3, {"bar": 9})
    assert found == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    with pytest.raises(SourceError, match="in the order of their times"):
        hive_parquet.write(COPPER, {"bar": [table.slice(6), table.slice(0, 3)]}, tmp_path)


def test_a_database_of_which_reading_ended_has_nothing_of_it(tmp_path: Path) -> None:
    table = rows("bar", bars(3))

    def broken() -> Iterator[pa.Table]:
        yield table
        raise SourceError("away")

    with pytest.raises(SourceError, match="away"):
        vnpy_sqlite.write(COPPER, {"bar": broken()}, tmp_path)
    with closing(sqlite3.connect(tmp_path / "database.db")) as database:
        assert database.execute("SELECT count(*) FROM dbbardata").fetchone() == (0,)


def test_every_format_names_kinds_that_it_writes(tmp_path: Path) -> None:
    tables = {
        "bar": rows("bar", bars(3)),
        "kline": rows("kline", klines(3)),
        "trade": rows("trade", trades([(1, 2)])),
        "tick": rows("tick", [SAMPLES["tick"]]),
        "orderbook": rows("orderbook", books([("snapshot", 0, 1)])),
        "book_top": rows("book_top", [SAMPLES["book_top"]]),
        "funding_rate": rows("funding_rate", [SAMPLES["funding_rate"]]),
        "open_interest": rows("open_interest", [SAMPLES["open_interest"]]),
    }
    for form in EXPORTS.values():
        for kind in form.kinds:
            done = form.write(PERP, {kind: [tables[kind]]}, tmp_path / form.name / kind)
            assert done.rows[kind] == tables[kind].num_rows
            assert all(path.is_file() for path in done.files)
    assert T0 > 0
