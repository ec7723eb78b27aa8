"""Stored and published ticks as `TickData`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from vnpy.trader.constant import Exchange
from vnpy.trader.object import TickData

from marketprism_domain.marketdata.tick import Tick
from vnpy_marketprism.bars import floats, texts, varied_and_shared
from vnpy_marketprism.making import alike, garbage_waits
from vnpy_marketprism.times import ints_of, moment_of, moments_of

if TYPE_CHECKING:
    import pyarrow as pa

LEVELS = 5
_SIDES = [f"{side}_{what}_{n}" for what in ("price", "volume") for side in ("bid", "ask") for n in range(1, LEVELS + 1)]
_FIELDS = {
    "open_interest": "open_interest",
    "last_price": "last",
    "last_volume": "traded",
    "limit_up": "limit_up",
    "limit_down": "limit_down",
    "open_price": "open",
    "high_price": "high",
    "low_price": "low",
    "pre_close": "pre_close",
}
_NUMBERS = {**_FIELDS, **dict(zip(_SIDES, _SIDES, strict=True))}
_SUMS = {"volume": "traded", "turnover": "traded_turnover"}  # of the day so far, and of one tick alone
TICK_FIELDS = tuple(dict.fromkeys(("ts_event", "trading_day", "phase", *_SUMS, *_SUMS.values(), *_NUMBERS.values())))


class TickPages:
    """Stored ticks of one instrument, a page at a time, oldest first.

    `volume` and `turnover` are those of the trading day so far; of ticks that are made of trades, which have their own
    alone, they are summed up from the first tick of the first page. `extra` has `trading_day` and `phase`.
    """

    def __init__(self, symbol: str, exchange: Exchange, gateway: str) -> None:
        self._symbol, self._exchange, self._gateway = symbol, exchange, gateway
        self._sums: dict[str, tuple[str, float]] = {}  # by name: the last trading day, and what was summed up in it

    def ticks(self, numbers: pa.Table, table: pa.Table) -> list[TickData]:
        """Ticks of the next page, as floats (`numbers`) and as it was sent (`table`)."""
        if not table.num_rows:
            return []
        with garbage_waits():
            days, phases = texts(table, "trading_day"), texts(table, "phase")
            moments = moments_of(ints_of(table, "ts_event"))
            marks = list(zip(days, phases, strict=True))
            extras = {each: dict(zip(("trading_day", "phase"), each, strict=True)).copy for each in set(marks)}
            first = TickData(self._gateway, self._symbol, self._exchange, moments[0], self._symbol)
            varied, shared = varied_and_shared(numbers, _NUMBERS)
            columns: dict[str, Sequence[object]] = {
                "datetime": moments,
                "extra": [extras[each]() for each in marks],
                **{name: self._cumulative(numbers, table, name, own) for name, own in _SUMS.items()},
                **varied,
            }
            return alike(first, columns, shared)

    def _cumulative(self, numbers: pa.Table, table: pa.Table, name: str, own: str) -> list[float]:
        """A column, or the sums of another one by trading day where it has nothing."""
        if table.column(name).null_count < table.num_rows or table.column(own).null_count == table.num_rows:
            return floats(numbers, name)
        parts, days = np.asarray(floats(numbers, own)), np.asarray(table.column("trading_day").to_pylist())
        day, so_far = self._sums.get(name, ("", 0.0))
        if day == days[0]:
            parts[0] += so_far
        sums = np.cumsum(parts)
        begins = np.flatnonzero(np.concatenate(([True], days[1:] != days[:-1])))
        before = np.repeat(sums[begins] - parts[begins], np.diff(np.append(begins, len(parts))))
        found: list[float] = (sums - before).tolist()
        self._sums[name] = str(days[-1]), found[-1]
        return found


class TickMaker:
    """Published ticks of one instrument, as VeighNa has them."""

    def __init__(self, symbol: str, exchange: Exchange, gateway: str) -> None:
        self._names = (symbol, exchange, gateway)
        self._day, self._traded, self._turnover = "", Decimal(0), Decimal(0)

    def tick(self, tick: Tick) -> TickData:
        """A tick of the client; volumes as in `TickPages`, from the first tick that is given. `extra` has
        `trading_day`, `phase`, `seq` (its number among those of the instrument) and `verdict`."""
        symbol, exchange, gateway = self._names
        volume, turnover = tick.volume, tick.turnover
        if tick.traded is not None and volume is None:
            if tick.trading_day != self._day:
                self._day, self._traded, self._turnover = tick.trading_day, Decimal(0), Decimal(0)
            self._traded += tick.traded
            self._turnover += tick.traded_turnover or 0
            volume, turnover = self._traded, self._turnover
        found = TickData(gateway, symbol, exchange, moment_of(tick.ts_event), symbol)
        own = vars(found)
        own |= {name: float(getattr(tick, field) or 0) for name, field in _FIELDS.items()}
        own["volume"], own["turnover"] = float(volume or 0), float(turnover or 0)
        for side, levels in (("bid", tick.bids), ("ask", tick.asks)):
            for n, level in enumerate(levels[:LEVELS], 1):
                own[f"{side}_price_{n}"] = float(level.price)
                own[f"{side}_volume_{n}"] = float(level.quantity)
        found.extra = {
            "trading_day": tick.trading_day,
            "phase": tick.phase,
            "seq": tick.seq,
            "verdict": tick.verdict,
        }
        return found
