"""Orders and fills of a run."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from marketprism_application.backtesting.market import Market


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


class Order:
    """One order. Prices are units and quantities steps inside; the properties give decimals."""

    __slots__ = (
        "ahead",
        "bracket",
        "code",
        "extreme",
        "filled",
        "joined",
        "kind",
        "limit_ticks",
        "market",
        "number",
        "of_target",
        "parent",
        "quantity_steps",
        "rivals",
        "sign",
        "state",
        "stop_ticks",
        "tag",
        "tif",
        "trail_ticks",
        "triggered",
        "ts_active",
        "ts_created",
        "ts_done",
    )

    def __init__(
        self, number: int, market: Market, sign: int, kind: OrderKind, quantity: int, tif: TimeInForce, ts: int
    ) -> None:
        self.number, self.market, self.sign, self.kind = number, market, sign, kind
        self.quantity_steps, self.filled, self.tif, self.ts_created = quantity, 0, tif, ts
        self.ts_active, self.ts_done = ts, 0
        self.limit_ticks: int | None = None
        self.stop_ticks: int | None = None
        self.trail_ticks: int | None = None
        self.extreme: int | None = None  # best price since a trailing stop is there
        self.state, self.code, self.tag = OrderState.WORKING, "", ""
        self.bracket: tuple[int | None, int | None] | None = None  # stop and take of an entry, in units
        self.parent = 0
        self.rivals: tuple[Order, ...] = ()  # of which only one may be filled
        self.of_target = False
        self.triggered = False
        self.joined = False  # has a place in the queue
        self.ahead = 0.0  # quantity before it in the queue

    @property
    def symbol(self) -> str:
        """The instrument that it is of."""
        return self.market.symbol

    @property
    def side(self) -> str:
        """`buy` or `sell`, which way it goes."""
        return "buy" if self.sign > 0 else "sell"

    @property
    def quantity(self) -> Decimal:
        """How much was asked for."""
        return self.market.quantity(self.quantity_steps)

    @property
    def left(self) -> int:
        """Steps that are not filled yet."""
        return self.quantity_steps - self.filled

    @property
    def limit(self) -> Decimal | None:
        """Its limit price, None of one without."""
        return None if self.limit_ticks is None else self.market.price(self.limit_ticks)

    @property
    def stop(self) -> Decimal | None:
        """The price that triggers it, None of one without."""
        return None if self.stop_ticks is None else self.market.price(self.stop_ticks)

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


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
    """A position from its opening to its end, or what is still open of it (`ts_exit` 0)."""

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
