"""Ticks that VeighNa records: in its own form beside the imports, until they are replayed into the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from vnpy.trader.database import DB_TZ
from vnpy.trader.object import TickData

from vnpy_marketprism.times import zoned

FILE = "veighna-ticks.db"
_TABLE = "dbtickdata"
_KEY = ("symbol", "exchange", "datetime")
_NUMBERS = (
    *("volume", "turnover", "open_interest", "last_price", "last_volume", "limit_up", "limit_down"),
    *("open_price", "high_price", "low_price", "pre_close"),
    *(f"{side}_{what}_{n}" for what in ("price", "volume") for side in ("bid", "ask") for n in range(1, 6)),
)
_COLUMNS = (*_KEY, "name", *_NUMBERS, "localtime")
_TEXT = "VARCHAR(255)"
_TYPES = dict.fromkeys(_NUMBERS, "REAL") | {"datetime": "DATETIME", "localtime": "DATETIME"}
_MADE = (
    f"CREATE TABLE IF NOT EXISTS {_TABLE} (id INTEGER NOT NULL PRIMARY KEY, "
    f"{', '.join(f'{name} {_TYPES.get(name, _TEXT)} NULL' for name in _COLUMNS)})"
)
_INDEX = f"CREATE UNIQUE INDEX IF NOT EXISTS {_TABLE}_key ON {_TABLE} ({', '.join(_KEY)})"
_PUT = f"INSERT OR REPLACE INTO {_TABLE} ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_WAIT_S = 10.0


class TickSaver:
    """Takes ticks that are recorded. `folder` is that of the imports, None where the setting names none.

    The store's ticks are validated and numbered in the order in which they came, which a gateway does and an import
    cannot. So they are kept as VeighNa's own SQLite database has them, in `FILE`, which `marketprism data recordings`
    makes recordings of. Those that came from MarketPrism are stored already.
    """

    def __init__(self, folder: Path | None, warn: Callable[[str], object]) -> None:
        self._folder, self._warn = folder, warn
        self._said: set[str] = set()

    def save(self, ticks: Sequence[TickData]) -> bool:
        """Whether all of them are in the store; where they are instead is warned of, once an instrument."""
        others = [tick for tick in ticks if not _is_stored(tick)]
        if not others:
            return True
        name = f"ticks of {others[0].symbol}.{others[0].exchange.value}"
        if self._folder is None:
            self._once(name, "refused: let MarketPrism read the gateway (--source vnpy:…), or name a folder for them")
            return False
        path = self._folder / FILE
        try:
            with closing(sqlite3.connect(path, timeout=_WAIT_S)) as base, base:
                base.execute(_MADE)
                base.execute(_INDEX)
                base.executemany(_PUT, map(_row, others))
        except sqlite3.Error as error:
            self._warn(f"save {len(others)} {name}: refused, {path}: {error}")
            return False
        self._once(name, f"in {path}; `marketprism data recordings` and a replay bring them into the store")
        return False

    def _once(self, name: str, text: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._warn(f"save {name}: {text}")


def _is_stored(tick: TickData) -> bool:
    """Whether MarketPrism itself has sent it: such ones have the number that they are stored under."""
    return isinstance(tick.extra, dict) and "seq" in tick.extra and "verdict" in tick.extra


def _row(tick: TickData) -> tuple[object, ...]:
    local = getattr(tick, "localtime", None)
    numbers = [float(getattr(tick, name) or 0) for name in _NUMBERS]
    return (tick.symbol, tick.exchange.value, _text(tick.datetime), tick.name, *numbers, local and _text(local))


def _text(moment: datetime) -> str:
    """A time as VeighNa writes it: of the zone of its database, which is not said."""
    return str(zoned(moment).astimezone(DB_TZ).replace(tzinfo=None))
