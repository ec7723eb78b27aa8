"""Databases of VeighNa: what its settings mean, its bars as rows, its ticks as recordings, and what is refused."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.imports.registry import open_rows, open_rows_file
from marketprism_adapters.imports.veighna.databases import Select, statement
from marketprism_adapters.imports.veighna.recorder import recorder_settings
from marketprism_adapters.imports.veighna.recordings import recordings_of
from marketprism_adapters.imports.veighna.servers import MySqlServer, PostgresServer
from marketprism_adapters.imports.veighna.settings import DatabasePlace, database_of
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import ROWS, FileHints, FileSeries, RowsFile
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support import veighna_databases as veighna

MINUTES = FileSeries("bar", "shfe", "rb2405", "1m", "rb2405")
T0 = 1_704_157_200 * 10**9


def rows_of(file: RowsFile, series: FileSeries = MINUTES) -> pa.Table:
    return pa.Table.from_batches(list(file.batches(series)), ROWS[series.kind])


def test_each_series_of_a_database_has_its_rows_with_their_ids(tmp_path: Path) -> None:
    file = open_rows(veighna.sqlite_database(tmp_path))
    found = {(each.symbol, each.interval) for each in file.facts.series}
    assert found == {("rb2405", "1m"), ("rb2405", "1d"), ("au2406", "1m")}
    table = rows_of(file)
    assert table.column("row").to_pylist() == [1, 2, 4]  # ids, not places
    assert table.column("ts_open").to_pylist() == [T0 + n * 60 * 10**9 for n in range(3)]
    assert table.column("close").to_pylist() == [Decimal(4001), Decimal(4002), Decimal(4003)]
    assert table.column("turnover").to_pylist() == [Decimal(40_010), None, Decimal(120_030)]  # 0 for 2 lots is none


def test_times_are_those_of_database_timezone_and_an_option_wins(tmp_path: Path) -> None:
    veighna.sqlite_database(tmp_path)
    path = veighna.settings(tmp_path, name="sqlite", timezone="UTC")
    hour = 3_600 * 10**9
    assert rows_of(open_rows(path)).column("ts_open")[0].as_py() == T0 + 8 * hour
    assert rows_of(open_rows(path, FileHints(zone="Asia/Tokyo"))).column("ts_open")[0].as_py() == T0 - hour


def test_a_price_beyond_any_is_none_and_a_wrong_cell_is_named(tmp_path: Path) -> None:
    bars = [veighna.bar(0), veighna.bar(1, high_price=1e20), veighna.bar(2, low_price=veighna.NO_PRICE)]
    file = open_rows(veighna.sqlite_database(tmp_path, bars))
    table = rows_of(file)
    assert table.column("high").to_pylist() == [Decimal(4003), None, Decimal(4005)]
    assert table.column("low").to_pylist() == [Decimal(3998), Decimal(3999), None]
    for number, cells in enumerate(({"close_price": "n/a"}, {"datetime": "9 o'clock"})):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = veighna.sqlite_database(folder, [veighna.bar(0), veighna.bar(1), veighna.bar(3, **cells)])
        name, was = next(iter(cells.items()))
        with pytest.raises(SourceError) as raised:
            rows_of(open_rows(path))
        assert str(raised.value) == (
            f"file {folder / 'database.db'}, table dbbardata, id 3: {name}: expected a number or a time, was {was!r}"
        )


def test_ticks_become_recordings_that_are_read_with_trading_days(tmp_path: Path, calendar: MarketCalendar) -> None:
    night = datetime(2024, 1, 2, 21, 5)  # noqa: DTZ001 (VeighNa writes no zone)
    ticks = [*veighna.TICKS, veighna.tick(9, datetime=night), veighna.tick(0, symbol="BTCUSDT", exchange="GLOBAL")]
    place = database_of(veighna.sqlite_database(tmp_path, ticks=ticks))
    other, made = recordings_of(place, place.zone, [], tmp_path / "out")
    assert (other.symbol, other.path, other.rows) == ("BTCUSDT", None, 0)
    assert made.path is not None
    assert (made.symbol, made.rows, made.path.name) == ("rb2405", 4, "rb2405.shfe.csv.gz")
    read = list(Recording(made.path, calendar).rows())
    assert [each.ts_event - T0 for each in read[:3]] == [0, 500_000_000, 1_000_000_000]
    assert [each.trading_day for each in read] == ["20240102"] * 3 + ["20240103"]
    first = read[0]
    assert (first.last, first.volume, first.limit_up) == (Decimal("4000.5"), Decimal(10), Decimal(4300))
    assert (len(first.bids), len(first.asks)) == (1, 1)  # 0 and DBL_MAX are no levels
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rb2405.shfe.csv.gz"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"last_price": "n/a"}, "table dbtickdata, id 1: last_price: expected a number, was 'n/a'"),
        ({"datetime": "soon"}, "table dbtickdata, id 1: datetime: expected a time, was 'soon'"),
    ],
)
def test_a_tick_that_is_none_is_named_and_leaves_no_file(tmp_path: Path, given: dict[str, object], text: str) -> None:
    place = database_of(veighna.sqlite_database(tmp_path, ticks=[veighna.tick(0, **given)]))
    with pytest.raises(SourceError) as raised:
        list(recordings_of(place, "", [], tmp_path / "out"))
    assert str(raised.value).endswith(text)
    assert list((tmp_path / "out").iterdir()) == []


def test_ticks_of_a_symbol_that_is_not_there_are_named(tmp_path: Path) -> None:
    place = database_of(veighna.sqlite_database(tmp_path))
    with pytest.raises(SourceError, match="table dbtickdata: expected ticks of cu2401, was none"):
        list(recordings_of(place, "", ["cu2401"], tmp_path / "out"))


SERVER: dict[str, object] = {"name": "mysql", "host": "db", "user": "vn", "password": "s3cret", "database": "vnpy"}


def test_settings_say_where_a_database_is_and_nothing_shows_the_password(tmp_path: Path) -> None:
    place = database_of(veighna.settings(tmp_path, **SERVER, port=0))
    assert (place.host, place.port, place.name, place.zone) == ("db", 3306, "vnpy", "Asia/Shanghai")
    assert str(place) == "database mysql://vn@db:3306/vnpy"
    assert "s3cret" not in repr(place)
    assert database_of(veighna.settings(tmp_path, name="sqlite")).path == tmp_path / "database.db"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"name": "mongodb"}, "database.name: expected one of sqlite, mysql, postgresql, was 'mongodb'"),
        ({"name": "postgres"}, "was 'postgres'; did you mean 'postgresql'"),
        (SERVER | {"port": "3306"}, "database.port: expected a port, 1 to 65535, was '3306'"),
        (SERVER | {"database": ""}, "database.database: expected the name of a database, was ''"),
        (SERVER | {"password": 5}, "database.password: expected a text, was 'another type'"),
        (SERVER | {"timezone": "Mars"}, "database.timezone: expected a time zone, like Asia/Shanghai, was 'Mars'"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, given: dict[str, object], text: str) -> None:
    with pytest.raises(SourceError) as raised:
        database_of(veighna.settings(tmp_path, **given))
    assert text in str(raised.value)


def test_only_who_reads_settings_reaches_a_server(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected columns of bars or trades"):
        open_rows_file(veighna.settings(tmp_path, **SERVER))  # what a service opens for others


def test_a_database_without_bars_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "database.db").write_bytes(b"")
    with pytest.raises(SourceError, match=r"database\.db: expected a table of bars .*, was none"):
        open_rows(veighna.settings(tmp_path, name="sqlite"))


def test_each_server_has_its_own_words_for_one_question() -> None:
    asked = Select("dbbardata", ("datetime", 'we`ird"%'), {"symbol": "rb2405"}, "datetime", 5)
    mysql = statement(asked, MySqlServer.quoted, MySqlServer.as_text, "%s")
    assert mysql == 'SELECT `datetime`, `we``ird"%%` FROM `dbbardata` WHERE `symbol` = %s ORDER BY `datetime` LIMIT 5'
    postgres = statement(asked, PostgresServer.quoted, PostgresServer.as_text, "%s")
    assert postgres == (
        'SELECT "datetime"::text, "we`ird""%%"::text FROM "dbbardata" WHERE "symbol" = %s ORDER BY "datetime" LIMIT 5'
    )


def test_what_a_recorder_records_are_instruments_by_gateway(tmp_path: Path) -> None:
    def entry(gateway: str) -> dict[str, str]:
        return {"symbol": "", "exchange": "", "gateway_name": gateway}

    path = tmp_path / "data_recorder_setting.json"
    path.write_text(
        json.dumps(
            {
                "tick": {"rb2405.SHFE": entry("CTP"), "BTCUSDT.GLOBAL": entry("BINANCE_LINEAR")},
                "bar": {"rb2405.SHFE": entry("CTP"), "SR405.CZCE": entry("CTP"), "spread.LOCAL": {}},
            }
        )
    )
    found = recorder_settings(path)
    assert found.instruments == {"CTP": ["SR405", "rb2405"], "BINANCE_LINEAR": ["BTCUSDT.GLOBAL"]}
    assert found.left_out == (("spread.LOCAL", "a spread that VeighNa makes is no instrument of an exchange"),)
    for text, expected in (
        ('{"tick": {"rb2405": {}}}', "tick: expected symbol.EXCHANGE, was 'rb2405'"),
        ('{"tick": {"rb2405.SHFE": 5}}', "tick.rb2405.SHFE: expected an object, was '5'"),
        ('{"tick": {"x.NYMEX": {"gateway_name": "CTP"}}}', "tick.x.NYMEX: expected an exchange of CTP, was 'NYMEX'"),
        ('{"bar": []}', "bar: expected entries by vt_symbol, was '[]'"),
        ('{"other": {}}', "expected settings of vnpy_datarecorder with tick or bar, was other JSON"),
        ("{", "expected JSON: "),
    ):
        path.write_text(text)
        with pytest.raises(SourceError) as raised:
            recorder_settings(path)
        assert f"{path}: {expected}" in str(raised.value)


def test_a_server_that_is_away_is_an_error_of_one_line() -> None:
    pytest.importorskip("pymysql")
    place = DatabasePlace("mysql", host="127.0.0.1", port=1, user="vn", password="s3cret", name="vnpy")
    with pytest.raises(SourceError) as raised:
        list(MySqlServer(place).blocks("SELECT 1", (), 1))
    assert str(raised.value).startswith("database mysql://vn@127.0.0.1:1/vnpy: expected a database that can be read: ")
    assert "s3cret" not in str(raised.value)


def test_a_password_may_have_letters_of_any_alphabet() -> None:
    pytest.importorskip("pymysql")
    place = DatabasePlace("mysql", host="127.0.0.1", port=1, user="vn", password="密码", name="vnpy")
    with pytest.raises(SourceError, match=r"expected a database that can be read: .*onnect"):
        next(MySqlServer(place).blocks("SELECT 1", (), 1))
