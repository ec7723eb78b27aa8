"""Orders and fills of a run."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple


class OrderKind(StrEnum):
    """`stop` becomes a market order where the price touches it."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class TimeInForce(StrEnum):
    """`gfd` ends with the trading day, `gtc` never; `fak` takes what is there at once, `fok` all of it or nothing."""

    GFD = "gfd"
    GTC = "gtc"
    FAK = "fak"
    FOK = "fok"


class OrderState(StrEnum):
    """Where an order is. `queued_at_limit`: it joins the only side of a market that stands at its price limit."""

    WORKING = "working"
    QUEUED_AT_LIMIT = "queued_at_limit"
    WAITING = "waiting"  # an exit whose entry is not filled yet
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


ENDED: Final = frozenset((OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED))


class Evidence(NamedTuple):
    """The row that allowed a fill: of which series, and its time (a bar's opening) and number in it."""

    series: str
    venue: str
    symbol: str
    ts: int
    seq: int


class Fill(NamedTuple):
    """Part of an order that was filled. `ts` is when (a bar's opening where only that is known), `ts_known` when the
    strategy could know. `gap`: none, inside, or after(n s). `held`: the position behind it, in quantity."""

    number: int
    order: int
    ts: int
    ts_known: int
    trading_day: str
    venue: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    profit: Decimal
    taker: bool
    tag: str
    gap: str
    held: Decimal
    evidence: Evidence


class RoundTrip(NamedTuple):
    """A position from its opening to its end, or what is still open of it (`ts_exit` 0). `profit` is without `fees` and
    `funding` (above 0 where it was received). `mae` and `mfe`: the worst and the best that `profit` was on the way."""

    venue: str
    symbol: str
    sign: int
    quantity: Decimal
    ts_entry: int
    ts_exit: int
    entry: Decimal
    exit: Decimal
    profit: Decimal
    fees: Decimal
    held_through: bool
    tainted: bool
    tag: str
    funding: Decimal = Decimal(0)
    mae: Decimal = Decimal(0)
    mfe: Decimal = Decimal(0)
    seconds: float = 0.0  # that it was there

    @property
    def net(self) -> Decimal:
        """Profit after fees and funding."""
        return self.profit - self.fees + self.funding
