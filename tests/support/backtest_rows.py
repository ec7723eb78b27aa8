"""Quotes, trades and books that are made for a test: a second apart, on a market that never closes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from marketprism_application.backtesting.columns import CONTINUOUS, NO_PRICE, InstrumentData, TickColumns, TradeColumns
from marketprism_application.backtesting.instruments import Instrument
from marketprism_domain.trading.contracts import ContractTerms

SECOND, MINUTE = 1_000_000_000, 60_000_000_000
MIDNIGHT = int(datetime(2024, 1, 2, tzinfo=UTC).timestamp()) * SECOND
DAY = 20240102
SYMBOL = "BTC-USDT-PERP"
PERPETUAL = Instrument("binance", SYMBOL, ContractTerms(Decimal(1), settle="USDT"))


class Quote(NamedTuple):
    """Both sides, and what was sold to the bid of the row before and bought from its ask since."""

    bid: int
    bid_size: int
    ask: int
    ask_size: int
    sold: int = 0
    bought: int = 0
    last: int = 0
    phase: int = CONTINUOUS
    limit_up: int = NO_PRICE
    limit_down: int = NO_PRICE


def quotes_and_trades(
    rows: Sequence[Quote],
    trades: Sequence[tuple[int, int, int, int]],
    *,
    instrument: Instrument = PERPETUAL,
    start: int = MIDNIGHT,
    day: int = DAY,
    delays: Sequence[int] = (),
) -> InstrumentData:
    """Quotes a second apart, and trades of second, price, quantity and which way the taker went."""
    ticks = _ticks(rows, start, day, delays) if rows else None
    tape = None
    if trades:
        second, price, quantity, taker = np.array(trades, dtype=np.int64).T
        count = len(trades)
        days = np.full(count, day, dtype=np.int64)
        tape = TradeColumns(start + second * SECOND, np.arange(count), days, price, quantity, taker)
    return InstrumentData(instrument, Decimal(1), Decimal(1), ticks=ticks, trades=tape)


def _ticks(rows: Sequence[Quote], start: int, day: int, delays: Sequence[int]) -> TickColumns:
    count = len(rows)
    ts = start + np.arange(count, dtype=np.int64) * SECOND
    before = [rows[0], *rows[:-1]]
    turnover = [row.sold * was.bid + row.bought * was.ask for row, was in zip(rows, before, strict=True)]

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([getattr(row, name) for row in rows], dtype=np.int64)

    return TickColumns(
        ts,
        ts + (np.array(delays, dtype=np.int64) if delays else 0),
        np.arange(count, dtype=np.int64),
        np.full(count, day, dtype=np.int64),
        np.array([row.last or (row.ask if row.ask_size else row.bid) for row in rows], dtype=np.int64),
        column("bid"),
        column("bid_size"),
        column("ask"),
        column("ask_size"),
        column("sold") + column("bought"),
        np.array(turnover, dtype=np.int64),
        column("limit_up"),
        column("limit_down"),
        column("phase"),
    )
