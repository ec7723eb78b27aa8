"""Databases as VeighNa's packages make them: their tables, and a morning of rb2405 with what such databases have in them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

BAR_COLUMNS = (
    "symbol",
    "exchange",
    "datetime",
    "interval",
    "volume",
    "turnover",
    "open_interest",
    "open_price",
    "high_price",
    "low_price",
    "close_price",
)
_TICK_NUMBERS = (
    "volume",
    "turnover",
    "open_interest",
    "last_price",
    "last_volume",
    "limit_up",
    "limit_down",
    "open_price",
    "high_price",
    "low_price",
    "pre_close",
)
_LEVELS = tuple(f"{side}_{what}_{n}" for what in ("price", "volume") for side in ("bid", "ask") for n in range(1, 6))
TICK_COLUMNS = ("symbol", "exchange", "datetime", "name", *_TICK_NUMBERS, *_LEVELS, "localtime")
OPEN = datetime(2024, 1, 2, 9)  # noqa: DTZ001 (VeighNa writes no zone)
NO_PRICE = 1.7976931348623157e308
_BAR_INDEX = ("symbol", "exchange", "interval", "datetime")
Row = tuple[object, ...]


def bar(n: int, **given: object) -> Row:
    """The bar of a minute, with what is given instead."""
    price = 4000 + n
    cells = dict(
        zip(
            BAR_COLUMNS,
            (
                "rb2405",
                "SHFE",
                OPEN + timedelta(minutes=n),
                "1m",
                n + 1,
                (n + 1) * 40_010,
                90 + n,
                price,
                price + 3,
                price - 2,
                price + 1,
            ),
            strict=True,
        )
    )
    return tuple((cells | given).values())


def tick(n: int, **given: object) -> Row:
    """The tick of a half second, with one level, and nothing behind it."""
    cells: dict[str, object] = dict.fromkeys(TICK_COLUMNS, 0.0)
    moment = OPEN + timedelta(milliseconds=500 * n)
    cells |= {"symbol": "rb2405", "exchange": "SHFE", "datetime": moment, "name": "螺纹钢2405", "localtime": moment}
    cells |= {"volume": 10 + n, "turnover": (10 + n) * 40_000, "open_interest": 90, "last_price": 4000.5 + n}
    cells |= {"limit_up": 4300, "limit_down": 3700, "open_price": 4000, "high_price": 4010, "low_price": 3990}
    cells |= {"pre_close": 4001, "bid_price_1": 4000 + n, "ask_price_1": 4001 + n, "bid_volume_1": 5, "ask_volume_1": 6}
    return tuple((cells | {"ask_price_2": NO_PRICE, "ask_volume_2": 7} | given).values())


BARS = [
    bar(0),
    bar(1, turnover=0),
    bar(2, interval="d", datetime=OPEN + timedelta(hours=15)),
    bar(2),
    bar(0, symbol="au2406"),
]
TICKS = [tick(n) for n in range(3)]


def statements(real: str, moment: str, key: str, quote: str, mark: str) -> tuple[list[str], str, str]:
    """What makes the tables of a kind of database, and what a row of each is put in with."""

    def made(table: str, columns: Sequence[str], unique: Sequence[str]) -> list[str]:
        types = {
            "symbol": "VARCHAR(255)",
            "exchange": "VARCHAR(255)",
            "interval": "VARCHAR(255)",
            "name": "VARCHAR(255)",
        }
        types |= {"datetime": moment, "localtime": moment}
        cells = ", ".join(f"{quote}{name}{quote} {types.get(name, real)}" for name in columns)
        index = ", ".join(f"{quote}{name}{quote}" for name in unique)
        return [f"CREATE TABLE {table} (id {key}, {cells})", f"CREATE UNIQUE INDEX {table}_key ON {table} ({index})"]

    def put(table: str, columns: Sequence[str]) -> str:
        names = ", ".join(f"{quote}{name}{quote}" for name in columns)
        return f"INSERT INTO {table} ({names}) VALUES ({', '.join([mark] * len(columns))})"

    tables = made("dbbardata", BAR_COLUMNS, _BAR_INDEX) + made(
        "dbtickdata", TICK_COLUMNS, ("symbol", "exchange", "datetime")
    )
    return tables, put("dbbardata", BAR_COLUMNS), put("dbtickdata", TICK_COLUMNS)


SQLITE = statements("REAL", "DATETIME", "INTEGER NOT NULL PRIMARY KEY", '"', "?")
MYSQL = statements("DOUBLE PRECISION", "DATETIME(3)", "INTEGER AUTO_INCREMENT PRIMARY KEY", "`", "%s")
POSTGRES = statements("REAL", "TIMESTAMP", "SERIAL PRIMARY KEY", '"', "%s")


def filled(
    run: Callable[[str, Row], object], made: tuple[list[str], str, str], bars: Sequence[Row], ticks: Sequence[Row]
) -> None:
    """Make the tables and put rows into them."""
    tables, put_bar, put_tick = made
    for text in tables:
        run(text, ())
    for row in bars:
        run(put_bar, row)
    for row in ticks:
        run(put_tick, row)


def sqlite_database(folder: Path, bars: Sequence[Row] = BARS, ticks: Sequence[Row] = TICKS) -> Path:
    """`database.db` and the settings that name it; the settings come back."""
    with closing(sqlite3.connect(folder / "database.db")) as base, base:
        filled(
            lambda text, row: base.execute(text, [str(cell) if isinstance(cell, datetime) else cell for cell in row]),
            SQLITE,
            bars,
            ticks,
        )
    return settings(folder, name="sqlite")


def settings(folder: Path, **database: object) -> Path:
    """`vt_setting.json` with settings of the database."""
    path = folder / "vt_setting.json"
    written = {f"database.{name}": value for name, value in ({"timezone": "Asia/Shanghai"} | database).items()}
    path.write_text(json.dumps({"font.size": 12} | written), encoding="utf-8")
    return path
