"""A series that stands still while other contracts of its product trade, over every StoreReader."""

from __future__ import annotations

from typing import Any

import numpy as np

from marketprism_application.contracts.kinds import BAR
from marketprism_application.integrity.bar_rows import BarRows
from tests.contract.stores import Pair
from tests.contract.test_stored_check import ROWS, SERIES, bars, fill, report
from tests.support.bar_series import codes, without

FLAT = np.arange(1_200, 1_245)


def flat(rows: BarRows, index: Any) -> list[Any]:
    """Stored bars of which some are those that are made of nothing: the price before, no volume."""
    made = bars(rows)
    for number in index:
        price = made[int(index[0]) - 1].close
        still = dict.fromkeys(("open", "high", "low", "close"), price)
        made[number] = made[number]._replace(**still, volume=price * 0, turnover=price * 0)
    return made


def of(symbol: str, rows: list[Any]) -> list[Any]:
    return [row._replace(symbol=symbol) for row in rows]


async def stale(pair: Pair, *witnesses: str, parts: int = 10**6) -> int:
    return codes(await report(pair, SERIES, *witnesses, parts=parts)).get("stale", 0)


async def test_flat_bars_are_stale_where_another_contract_trades(pair: Pair) -> None:
    await fill(pair, BAR, flat(ROWS, FLAT))
    assert await stale(pair, "product") == 0  # nobody else is stored
    await fill(pair, BAR, of("rb1905", bars(ROWS)), 10_000)
    assert await stale(pair, "product") == 0  # another product
    await fill(pair, BAR, of("cu1906", bars(without(ROWS, FLAT[35:]))), 20_000)
    assert await stale(pair) == 0
    assert await stale(pair, "product") == 35
    assert await stale(pair, "product", parts=300) == 35


async def test_a_contract_that_trades_now_and_then_is_not(pair: Pair) -> None:
    rare = np.array([n for n in range(len(ROWS)) if n % 50])
    await fill(pair, BAR, flat(ROWS, rare))
    await fill(pair, BAR, of("cu1906", bars(ROWS)), 20_000)
    assert await stale(pair, "product") == 0
