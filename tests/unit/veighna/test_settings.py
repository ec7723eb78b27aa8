"""Settings of VeighNa, and the door that they lead to."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.imports.veighna.recordings import recordings_of
from marketprism_adapters.imports.veighna.settings import DatabasePlace
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.vnpy_like import veighna


def database(monkeypatch: pytest.MonkeyPatch, **settings: object) -> Any:
    return veighna(monkeypatch, **{f"database.{name}": value for name, value in settings.items()}).Database()


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "nats://127.0.0.1:4222"),
        ({"host": "", "port": 0, "user": "", "password": ""}, "nats://127.0.0.1:4222"),
        ({"host": "md1"}, "nats://md1"),
        ({"host": "md1", "port": 4333}, "nats://md1:4333"),
        ({"host": "md1", "port": "4333"}, "nats://md1:4333"),
        ({"host": "md1:4333", "port": 4333}, "nats://md1:4333"),
        ({"host": "md1, md2:4223,nats://md3", "port": 0}, "nats://md1,md2:4223,nats://md3"),
        ({"host": "https://md.example.com/", "port": 8443}, "https://md.example.com:8443"),
        ({"host": "http://[::1]", "port": 8000}, "http://[::1]:8000"),
    ],
)
def test_an_address_is_that_of_nats_unless_it_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], url: str
) -> None:
    module = veighna(monkeypatch)
    from vnpy_marketprism.door import OF_DATABASE, door_of  # type: ignore[import-not-found]  # noqa: PLC0415

    assert module.WrongSetting is not None
    assert door_of({f"database.{name}": value for name, value in settings.items()}, OF_DATABASE).url == url


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"host": 5}, "setting database.host: expected a text, was '5'"),
        ({"host": "mysql://md1"}, r"setting database\.host: expected nats://host:port, .*, was 'mysql://md1'"),
        ({"host": "nats://md1,https://md2"}, "setting database.host: expected nats://host:port"),
        ({"host": "nats://"}, "setting database.host: expected nats://host:port"),
        ({"host": "nats://u:secret@"}, r"was 'nats://\*\*\*@'"),
        ({"port": 70_000}, "setting database.port: expected a port from 1 to 65535, or 0 .*, was '70000'"),
        ({"port": "abc"}, "setting database.port: expected a port"),
        ({"port": 4222.5}, "setting database.port: expected a port"),
        ({"host": "md1:4222", "port": 4223}, r"setting database\.port: expected 4222, as in database\.host, or 0"),
        ({"user": "reader"}, "setting database.password: expected the password of database.user at NATS, was ''"),
        (
            {"host": "https://md1", "user": "bob", "password": "mp_1"},
            "setting database.user: expected nothing with an API gateway, whose key is database.password, was 'bob'",
        ),
        ({"database": "/no/such/folder"}, r"setting database\.database: expected the folder .*, was '/no/such/folder'"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named_with_what_it_was(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        database(monkeypatch, **settings)


def test_the_password_is_a_key_at_an_api_gateway_and_who_one_is_at_nats(monkeypatch: pytest.MonkeyPatch) -> None:
    veighna(monkeypatch)
    from vnpy_marketprism.door import OF_DATABASE, OF_GATEWAY, door_of  # noqa: PLC0415

    at_http = door_of({"database.host": "https://md1", "database.password": "mp_key"}, OF_DATABASE)
    assert (at_http.key, at_http.access) == ("mp_key", None)
    assert "mp_key" not in repr(at_http)
    named = door_of({"database.user": "u", "database.password": "p"}, OF_DATABASE).access
    assert (named.user, named.password.reveal()) == ("u", "p")
    assert door_of({"password": "t"}, OF_GATEWAY).access.token.reveal() == "t"
    with pytest.raises(ValueError, match="setting replay: expected nothing with an API gateway"):
        door_of({"address": "https://md1", "replay": "yesterday"}, OF_GATEWAY)
    with pytest.raises(ValueError, match="setting ca: expected a file of certificates, was '/no/file'"):
        door_of({"ca": "/no/file"}, OF_GATEWAY)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"datafeed.username": "https://md2", "datafeed.password": "k"}, "https://md2"),
        ({"database.name": "marketprism", "database.host": "md1"}, "nats://md1"),
        ({"database.name": "sqlite", "database.host": "md1"}, "nats://127.0.0.1:4222"),
    ],
)
def test_a_datafeed_without_an_address_has_that_of_the_database(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], url: str
) -> None:
    veighna(monkeypatch, **settings)
    from vnpy_marketprism import datafeed  # type: ignore[import-not-found]  # noqa: PLC0415

    assert datafeed.door_of_datafeed().url == url


def test_bars_without_a_folder_ticks_and_deletions_are_refused_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = database(monkeypatch, database="database.db")
    from vnpy.trader.constant import Exchange, Interval  # noqa: PLC0415
    from vnpy.trader.logger import logger  # noqa: PLC0415
    from vnpy.trader.object import BarData, TickData  # noqa: PLC0415

    bar = BarData("T", "ru1901", Exchange.SHFE, None, Interval.MINUTE)
    assert made.save_bar_data([bar]) is False
    assert made.save_tick_data([TickData("T", "ru1901", Exchange.SHFE, None)]) is False
    assert (made.save_bar_data([]), made.save_tick_data([])) == (True, True)
    assert made.delete_bar_data("ru1901", Exchange.SHFE, Interval.MINUTE) == 0
    assert made.delete_tick_data("ru1901", Exchange.SHFE) == 0
    assert [line.partition(", ")[0] for line in logger.lines] == [
        "save 1 bars of ru1901.SHFE: refused",
        "save ticks of ru1901.SHFE: refused: let MarketPrism read the gateway (--source vnpy:…)",
        "delete 1m bars of ru1901.SHFE: refused",
        "delete ticks of ru1901.SHFE: refused",
    ]
    assert database(monkeypatch, database=str(tmp_path)) is not None


def test_recorded_ticks_wait_in_a_database_that_becomes_recordings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, calendar: MarketCalendar
) -> None:
    made = database(monkeypatch, database=str(tmp_path))
    from vnpy.trader.constant import Exchange  # noqa: PLC0415
    from vnpy.trader.logger import logger  # noqa: PLC0415
    from vnpy.trader.object import TickData  # noqa: PLC0415

    def tick(second: int, **values: object) -> TickData:
        found = TickData("CTP", "rb2405", Exchange.SHFE, datetime(2024, 1, 2, 1, 0, second, tzinfo=UTC), "螺纹")
        vars(found).update(last_price=4000.5, volume=10.0 + second, turnover=4e5, bid_price_1=4000.0, bid_volume_1=5.0)
        vars(found).update(ask_price_1=4001.0, ask_volume_1=6.0, **values)
        return found

    own = tick(9, extra={"trading_day": "20240102", "phase": "continuous", "seq": 7, "verdict": "valid"})
    assert made.save_tick_data([own]) is True
    assert list(tmp_path.iterdir()) == []
    for ticks in ([tick(0), tick(1)], [tick(1), tick(2), own]):
        assert made.save_tick_data(ticks, stream=True) is False
    path = tmp_path / "veighna-ticks.db"
    assert len(logger.lines) == 1
    assert f"in {path}; `marketprism data recordings`" in logger.lines[0]
    (recorded,) = recordings_of(DatabasePlace("sqlite", path=path), "", [], tmp_path / "out")
    assert recorded.path is not None
    assert (recorded.symbol, recorded.rows) == ("rb2405", 3)
    read = list(Recording(recorded.path, calendar).rows())
    first = int(datetime(2024, 1, 2, 1, tzinfo=UTC).timestamp()) * 10**9
    assert [each.ts_event - first for each in read] == [0, 10**9, 2 * 10**9]
    assert (read[0].last, read[0].trading_day) == (Decimal("4000.5"), "20240102")
    path.write_bytes(b"none of SQLite")
    assert made.save_tick_data([tick(3)]) is False
    assert "refused, " in logger.lines[-1]
