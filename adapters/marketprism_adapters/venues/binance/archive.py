"""The venue's public archive: files of klines, trades and rates, as data.binance.vision has them.

A zip archive of one CSV file, `BTCUSDT-1m-2024-01.csv`; files of contracts have a header, those of spot have none.
Times are milliseconds, of the spot market from 2025-01-01 on microseconds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = "binance-vision"
_OF_KLINE = "open_time open high low close volume close_time quote_volume count taker_buy_volume"
KLINES = (*_OF_KLINE.split(), "taker_buy_quote_volume", "ignore")
LAST_OF_SPOT = "is_best_match"  # the last column of trades of the spot market, which those of contracts do not have
_AGGREGATED = "agg_trade_id price quantity first_trade_id last_trade_id transact_time is_buyer_maker"
AGG_TRADES = (*_AGGREGATED.split(), LAST_OF_SPOT)
TRADES = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", LAST_OF_SPOT)
FUNDING = ("calc_time", "funding_interval_hours", "last_funding_rate")
METRICS_NEEDED = ("create_time", "symbol", "sum_open_interest", "sum_open_interest_value")
_OF_TICKER = "update_id best_bid_price best_bid_qty best_ask_price best_ask_qty transaction_time event_time"
BOOK_TICKER = tuple(_OF_TICKER.split())
_MEMBER = re.compile(r"([A-Z0-9]+(?:_[A-Z0-9]+)?)-(\w+)-\d{4}-\d{2}(?:-\d{2})?\.csv", re.ASCII)


class Member(NamedTuple):
    """What the name of an archive's file says: the venue's name of the instrument, and the interval or kind."""

    native: str
    what: str


def member_of(name: str) -> Member | None:
    """What the name of a file in an archive says; None where it is no name of one."""
    found = _MEMBER.search(name.rpartition("/")[2])
    return Member(found[1], found[2]) if found is not None else None
