"""One instrument while a run goes on: its prices, its phase, its orders, its position."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from marketprism_application.backtesting.columns import CLOSED, NO_PRICE, Hole, InstrumentData
from marketprism_application.backtesting.cursors import TickView
from marketprism_application.backtesting.errors import OffGridError
from marketprism_application.backtesting.grid import PriceGrid
from marketprism_application.backtesting.orders import ENDED, OrderKind, OrderState, TimeInForce
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.volume_sides import volume_sides

PERPETUAL: Final = "-PERP"


class Market(PriceGrid):
    """What is known of an instrument now. Prices are whole `unit`s, quantities whole `step`s."""

    __slots__ = (
        "_day_sides",
        "_rough_margin",
        "calendar_phase",
        "data",
        "day",
        "day_end",
        "day_text",
        "ended",
        "guarded",
        "halted_at",
        "halted_ns",
        "halts",
        "held",
        "hole",
        "instrument",
        "last",
        "limit_down",
        "limit_up",
        "liquidated_above",
        "liquidated_below",
        "mark",
        "mark_guarded",
        "order_step",
        "phase",
        "rank",
        "rough_value",
        "schedule",
        "sides",
        "suspended",
        "tick_units",
        "value",
        "view",
        "wanted",
        "working",
    )

    def __init__(self, data: InstrumentData, schedule: Schedule, rank: int) -> None:
        instrument = data.instrument
        super().__init__(instrument.venue, instrument.symbol, data.unit, data.step)
        self.data, self.instrument, self.schedule, self.rank = data, instrument, schedule, rank
        tick = instrument.tick if instrument.tick is not None else data.unit
        if tick % data.unit:
            raise OffGridError(f"tick of {self.symbol}: expected a multiple of {data.unit}, was {tick}")
        if instrument.step % data.step:
            raise OffGridError(f"step of {self.symbol}: expected a multiple of {data.step}, was {instrument.step}")
        self.tick_units, self.order_step = int(tick / data.unit), int(instrument.step / data.step)
        self.value = data.unit * data.step * instrument.terms.multiplier  # money of one unit of price and one step
        self.rough_value = float(self.value)
        self.phase = self.calendar_phase = CLOSED  # what it is in, and what it would be in without a halt
        self.day, self.sides, self.day_end = 0, 1, 0
        self.halts = self.halted_ns = self.halted_at = 0  # how many, how long those that are over, since when this
        self.day_text = "0"  # the trading day as YYYYMMDD
        self.last, self.ended = NO_PRICE, False
        self.limit_up = self.limit_down = NO_PRICE
        self.working: list[Order] = []
        self.suspended: list[Order] = []  # which rest, and are not matched while it is halted
        self.held = 0  # steps, below 0 of a short
        self.wanted: int | None = None  # target that waits for the market to open
        self.hole: Hole | None = None  # the last one that was noticed
        self.liquidated_below, self.liquidated_above, self.guarded = NO_PRICE, -NO_PRICE, False
        self.mark, self.mark_guarded = NO_PRICE, False  # of an instrument whose venue published marks
        self.view = TickView(self)
        self._day_sides: dict[int, int] = {}
        self._rough_margin: tuple[MarginRate, float, float] | None = None

    def rough_margin(self, rate: MarginRate) -> tuple[float, float]:
        """A margin as doubles: share of the value, and money of one step."""
        known = self._rough_margin
        if known is None or known[0] is not rate:
            known = self._rough_margin = (rate, float(rate.by_money), float(rate.by_volume) * float(self.step))
        return known[1], known[2]

    def ticks_of(self, price: Decimal, sign: int) -> tuple[int, bool]:
        """A price as units on the instrument's tick, rounded towards safety (a buyer's down), and whether it was."""
        tick = self.tick_units * self.unit
        number = int((price / tick).to_integral_value(ROUND_FLOOR if sign > 0 else ROUND_CEILING))
        return number * self.tick_units, number * tick != price

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """All orders that have not ended, those that a halt keeps from being matched too."""
        return (*self.working, *self.suspended)

    @property
    def is_perpetual(self) -> bool:
        """Whether it is a contract without an end, which pays funding."""
        return self.symbol.endswith(PERPETUAL)

    def settlement(self, day: str) -> Decimal | None:
        """The settlement price of a trading day (YYYYMMDD) by the stored rows, None where they do not have it."""
        found = self.data.settlements.get(day)
        if found is None and self.data.settled_before:
            found = self.data.settled_before.get(day_text(self.schedule.next_day(day_of(day))))
        return found

    def start_day(self, day: int) -> None:
        """The trading day (YYYYMMDD) changes."""
        self.day, self.day_text = day, str(day)
        sides = self._day_sides.get(day)
        if sides is None:
            text = self.day_text
            sides = self.instrument.sides.get(text) or volume_sides(self.venue, text)
            self._day_sides[day] = sides
        self.sides = sides
        limits = self.instrument.limits.get(self.day_text)
        if limits is not None:
            self.limit_up = NO_PRICE if limits.upper is None else int(limits.upper / self.unit)
            self.limit_down = NO_PRICE if limits.lower is None else int(limits.lower / self.unit)


class Order:
    """One order. Prices are units and quantities steps inside; the properties give decimals."""

    __slots__ = (
        "ahead",
        "bracket",
        "code",
        "extreme",
        "filled",
        "forced",
        "joined",
        "kind",
        "limit_ticks",
        "market",
        "met",
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
        self.met = -1  # size of the other side at its price that it took from already, below 0: none
        self.forced = False  # nothing refuses it

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
    def can_rest(self) -> bool:
        """Whether it waits at its limit, a stop once it is touched."""
        if self.limit_ticks is None or self.tif in (TimeInForce.FAK, TimeInForce.FOK):
            return False
        return self.triggered or self.kind is not OrderKind.STOP

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED
