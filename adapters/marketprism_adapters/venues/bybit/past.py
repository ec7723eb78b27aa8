"""Bybit's answers about the past: klines, funding rates, open interest. Newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from marketprism_adapters.venues.bybit import frames
from marketprism_adapters.venues.bybit.parse import VENUE, BybitParser
from marketprism_adapters.venues.kit.instrument_names import other_name
from marketprism_adapters.venues.kit.numbers import NANOS_PER_MS, nanos, number
from marketprism_application.contracts.venue_messages import FundingRateMessage, KlineMessage, OpenInterestMessage
from marketprism_application.venues.protocol import Item, ParseRefused
from marketprism_domain.values import NANOS_PER_SECOND

T = TypeVar("T")
# Our intervals by the venue's names: minutes, a day, a week that begins on Mondays.
INTERVALS: Mapping[str, str] = {
    "1m": "1",
    "3m": "3",
    "5m": "5",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "2h": "120",
    "4h": "240",
    "6h": "360",
    "12h": "720",
    "1d": "D",
    "1w": "W",
}
_OURS = {theirs: ours for ours, theirs in INTERVALS.items()}
_LENGTH_S = {"D": 86_400, "W": 604_800}
_FIELDS = 7


class Rows(msgspec.Struct, Generic[T], rename={"rows": "list"}):
    """A list of one symbol, where the venue says which."""

    rows: list[T]
    symbol: str = ""


class Funding(msgspec.Struct, rename="camel"):
    symbol: str
    funding_rate: str
    funding_rate_timestamp: str


class Interest(msgspec.Struct, rename="camel"):
    open_interest: str
    timestamp: str


def klines(body: bytes, given: Mapping[str, str], ts_recv: int, parser: BybitParser) -> Sequence[Item]:
    """Bars of `kline`. Raises ParseRefused, or one of `UNREADABLE`."""
    result = msgspec.json.decode(body, type=frames.Reply[Rows[list[str]]]).result
    symbol, name = parser.names.symbol(_owner(given, result.symbol)), given["interval"]
    length = (_LENGTH_S.get(name) or int(name) * 60) * NANOS_PER_SECOND
    made: list[Item] = []
    for row in result.rows:
        if len(row) < _FIELDS:
            raise ParseRefused("field", f"kline: expected {_FIELDS} fields, was {len(row)}", symbol)
        opened = _time(row[0], "start")
        closes = opened + length
        first, high, low, last = (number(row[at], "price") for at in range(1, 5))
        made.append(
            KlineMessage(
                1,
                VENUE,
                symbol,
                parser.source,
                0,
                (closes - 1) // NANOS_PER_MS,
                min(closes, ts_recv) if ts_recv else closes,  # a bar that runs has not closed yet
                ts_recv,
                0,
                _OURS[name],
                opened,
                closes,
                first,
                high,
                low,
                last,
                number(row[5], "volume"),
                closes <= ts_recv,
                number(row[6], "turnover"),
            )
        )
    return made


def funding(body: bytes, given: Mapping[str, str], ts_recv: int, parser: BybitParser) -> Sequence[Item]:
    """Rates of `funding/history`. Raises ParseRefused, or one of `UNREADABLE`."""
    made: list[Item] = []
    for row in msgspec.json.decode(body, type=frames.Reply[Rows[Funding]]).result.rows:
        ts = _time(row.funding_rate_timestamp, "fundingRateTimestamp")
        symbol, rate = parser.names.symbol(_owner(given, row.symbol)), number(row.funding_rate, "fundingRate")
        head = (1, VENUE, symbol, parser.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0)
        made.append(FundingRateMessage(*head, rate, ts, None, True))
    return made


def interest(body: bytes, given: Mapping[str, str], ts_recv: int, parser: BybitParser) -> Sequence[Item]:
    """Rows of `open-interest`. Raises ParseRefused, or one of `UNREADABLE`."""
    result = msgspec.json.decode(body, type=frames.Reply[Rows[Interest]]).result
    symbol = parser.names.symbol(_owner(given, result.symbol))
    made: list[Item] = []
    for row in result.rows:
        ts = _time(row.timestamp, "timestamp")
        head = (1, VENUE, symbol, parser.source, 0, ts // NANOS_PER_MS, ts, ts_recv, 0)
        made.append(OpenInterestMessage(*head, number(row.open_interest, "openInterest")))
    return made


def _owner(given: Mapping[str, str], named: str) -> str:
    if named and named != given["symbol"]:
        raise other_name("symbol", given["symbol"], named)
    return given["symbol"]


def _time(text: str, field: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ParseRefused("field", f"{field}: expected a whole number, was {text[:40]!r}")
    return nanos(int(text), field)


PAST: Mapping[str, Callable[[bytes, Mapping[str, str], int, BybitParser], Sequence[Item]]] = {
    "kline": klines,
    "funding/history": funding,
    "open-interest": interest,
}

__all__ = ["INTERVALS", "PAST"]
