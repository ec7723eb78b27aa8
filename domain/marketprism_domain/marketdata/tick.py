"""Tick: a venue's snapshot push, and the one row that travels from gateway to table.

The first eight fields are the same for every kind. A gateway fills the tick up to `traded_turnover`; the validator
assigns `epoch`, `seq`, `ts_pub` and the fields after it. A named tuple is the cheapest immutable row
Python has, and its array form is the packed wire format.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from marketprism_domain.values import BookLevel


class Tick(NamedTuple):
    """One snapshot of one instrument.

    Prices and amounts are exact decimals, None where the venue sent nothing (or its "no value" double).
    `volume` and `turnover` are cumulative over the trading day; `volume` in the venue's unit, `turnover` in
    money; a tick made of trades has `traded` and `traded_turnover` instead, of itself alone. `bids` and `asks` hold at
    most five levels, best first. Times are nanoseconds UTC.
    """

    venue: str
    symbol: str
    source: str  # who delivered it: a front, a recording
    epoch: int  # fencing token of the writer
    seq: int  # 1, 2, 3 … per instrument over accepted ticks
    ts_event: int  # the venue's time
    ts_recv: int  # our receipt (a recording's own clock when replayed)
    ts_pub: int  # when it was published
    source_seq: int  # position inside its source: a later delivery of the same position is a repeat
    trading_day: str  # YYYYMMDD
    last: Decimal | None = None
    volume: Decimal | None = None
    turnover: Decimal | None = None
    open_interest: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    settlement: Decimal | None = None
    pre_close: Decimal | None = None
    pre_settlement: Decimal | None = None
    pre_open_interest: Decimal | None = None
    limit_up: Decimal | None = None
    limit_down: Decimal | None = None
    average_price: Decimal | None = None
    bids: tuple[BookLevel, ...] = ()
    asks: tuple[BookLevel, ...] = ()
    traded: Decimal | None = None  # 0: only the best prices moved
    traded_turnover: Decimal | None = None
    phase: str = ""  # auction, continuous, section_end, break, closed
    verdict: str = ""  # valid, warned, stale
    quality_score: int | None = None
    warnings: tuple[str, ...] = ()
    rules_version: int | None = None


# Places of fields in the row. By place, compiled code reads a field in a tenth of the time that it takes by name; they
# are written out, because only then the type of a field is known by its place.
VENUE: Final = 0
SYMBOL: Final = 1
SOURCE: Final = 2
EPOCH: Final = 3
TS_EVENT: Final = 5
TS_RECV: Final = 6
TS_PUB: Final = 7
SOURCE_SEQ: Final = 8
TRADING_DAY: Final = 9
LAST: Final = 10
VOLUME: Final = 11
TURNOVER: Final = 12
OPEN_INTEREST: Final = 13
OPEN: Final = 14
HIGH: Final = 15
LOW: Final = 16
PRE_CLOSE: Final = 19
PRE_SETTLEMENT: Final = 20
LIMIT_UP: Final = 22
LIMIT_DOWN: Final = 23
BIDS: Final = 25
ASKS: Final = 26
TRADED: Final = 27
TRADED_TURNOVER: Final = 28
PHASE: Final = 29
VERDICT: Final = 30
QUALITY_SCORE: Final = 31
WARNINGS: Final = 32
