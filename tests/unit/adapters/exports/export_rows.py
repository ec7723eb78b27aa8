"""Rows as an answer has them, of each kind that is exported."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

from marketprism_adapters.exports.series import ExportSeries
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.queries.arrow_tables import table_of
from marketprism_domain.values import BookLevel
from tests.contract.test_codec import SAMPLES

T0 = 1_704_067_200 * 10**9  # 2024-01-01T00:00Z
MINUTE = 60 * 10**9
PERP = ExportSeries("binance", "BTC-USDT-PERP", "1m", "BTCUSDT")


def rows(kind: str, records: list[Any]) -> pa.Table:
    return table_of(KINDS[kind], records)


def klines(count: int, first: int = 0) -> list[Any]:
    sample = SAMPLES["kline"]._replace(venue="binance", symbol="BTC-USDT-PERP", interval="1m", closed=True)
    return [
        sample._replace(
            ts_open=T0 + n * MINUTE,
            ts_close=T0 + (n + 1) * MINUTE,
            ts_event=T0 + (n + 1) * MINUTE,
            open=Decimal("42001.1"),
            high=Decimal("42010.5"),
            low=Decimal("41990.25"),
            close=Decimal("42005") + n % 3,
            volume=Decimal(f"{n % 7 + 1}.125"),
            turnover=Decimal("1234567.89"),
            trades=17,
            taker_buy_volume=Decimal("0.5"),
        )
        for n in range(first, first + count)
    ]


def trades(times: list[tuple[int, int]]) -> list[Any]:
    """Trades that happened and were received at these milliseconds."""
    return [
        SAMPLES["trade"]._replace(
            venue="binance",
            symbol="BTC-USDT-PERP",
            seq=n,
            trade_id=str(n),
            ts_event=T0 + happened * 10**6,
            ts_recv=T0 + received * 10**6,
            price=Decimal("42000.5"),
            quantity=Decimal("0.25"),
            side="sell" if n % 2 else "buy",
        )
        for n, (happened, received) in enumerate(times)
    ]


def books(steps: list[tuple[str, int, int]]) -> list[Any]:
    """Steps of a book: its form, and the milliseconds at which it happened and was received."""
    return [
        SAMPLES["orderbook"]._replace(
            venue="binance",
            symbol="BTC-USDT-PERP",
            seq=n,
            form=form,
            valid=form != "invalid",
            ts_event=T0 + happened * 10**6,
            ts_recv=T0 + received * 10**6,
            bids=() if form == "invalid" else (level("41999", 2 + n), level("41998", 1)),
            asks=() if form == "invalid" else (level("42001", 3 + n),),
        )
        for n, (form, happened, received) in enumerate(steps)
    ]


def level(price: str, quantity: int) -> BookLevel:
    return BookLevel(Decimal(price), Decimal(quantity))
