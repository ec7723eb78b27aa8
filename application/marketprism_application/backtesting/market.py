"""One instrument while a run goes on: its prices, its phase, its orders, its position."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from marketprism_application.backtesting.columns import CLOSED, NO_PRICE, Hole, InstrumentData
from marketprism_application.backtesting.cursors import TickView
from marketprism_application.backtesting.errors import OffGridError
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.trading.volume_sides import volume_sides

if TYPE_CHECKING:
    from marketprism_application.backtesting.orders import Order


class Market:
    """What is known of an instrument now. Prices are whole `unit`s, quantities whole `step`s."""

    __slots__ = (
        "_day_sides",
        "_prices",
        "data",
        "day",
        "day_end",
        "guarded",
        "held",
        "hole",
        "instrument",
        "last",
        "limit_down",
        "limit_up",
        "liquidated_above",
        "liquidated_below",
        "order_step",
        "phase",
        "rank",
        "schedule",
        "sides",
        "step",
        "symbol",
        "tick_units",
        "unit",
        "value",
        "venue",
        "view",
        "wanted",
        "working",
    )

    def __init__(self, data: InstrumentData, schedule: Schedule, rank: int) -> None:
        instrument = data.instrument
        self.data, self.instrument, self.schedule, self.rank = data, instrument, schedule, rank
        self.venue, self.symbol, self.unit, self.step = instrument.venue, instrument.symbol, data.unit, data.step
        tick = instrument.tick if instrument.tick is not None else data.unit
        if tick % data.unit:
            raise OffGridError(f"tick of {self.symbol}: expected a multiple of {data.unit}, was {tick}")
        if instrument.step % data.step:
            raise OffGridError(f"step of {self.symbol}: expected a multiple of {data.step}, was {instrument.step}")
        self.tick_units, self.order_step = int(tick / data.unit), int(instrument.step / data.step)
        self.value = data.unit * data.step * instrument.terms.multiplier  # money of one unit of price and one step
        self.phase, self.day, self.sides, self.day_end = CLOSED, 0, 1, 0
        self.last = NO_PRICE
        self.limit_up = self.limit_down = NO_PRICE
        self.working: list[Order] = []
        self.held = 0  # steps, below 0 of a short
        self.wanted: int | None = None  # target that waits for the market to open
        self.hole: Hole | None = None  # the last one that was noticed
        self.liquidated_below, self.liquidated_above, self.guarded = NO_PRICE, -NO_PRICE, False
        self.view = TickView(self)
        self._prices: dict[int, Decimal] = {}
        self._day_sides: dict[int, int] = {}

    def price(self, ticks: int) -> Decimal:
        """A price in decimals."""
        found = self._prices.get(ticks)
        if found is None:
            if len(self._prices) > 50_000:
                self._prices.clear()
            found = self._prices[ticks] = (ticks * self.unit).normalize() + 0
        return found

    def quantity(self, steps: int) -> Decimal:
        """A quantity in decimals."""
        return steps * self.step

    def ticks_of(self, price: Decimal, sign: int) -> tuple[int, bool]:
        """A price as units on the instrument's tick, rounded towards safety (a buyer's down), and whether it was."""
        tick = self.tick_units * self.unit
        number = int((price / tick).to_integral_value(ROUND_FLOOR if sign > 0 else ROUND_CEILING))
        return number * self.tick_units, number * tick != price

    def start_day(self, day: int) -> None:
        """The trading day (YYYYMMDD) changes."""
        self.day = day
        sides = self._day_sides.get(day)
        if sides is None:
            text = str(day)
            sides = self.instrument.sides.get(text) or volume_sides(self.venue, text)
            self._day_sides[day] = sides
        self.sides = sides
        limits = self.instrument.limits.get(str(day))
        if limits is not None:
            self.limit_up = NO_PRICE if limits.upper is None else int(limits.upper / self.unit)
            self.limit_down = NO_PRICE if limits.lower is None else int(limits.lower / self.unit)
