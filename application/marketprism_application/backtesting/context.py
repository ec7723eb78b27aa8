"""`ctx`: all that a strategy sees and can do. It holds no row of the future, and no way to one."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeAlias

from marketprism_application.backtesting.columns import NO_PRICE, PHASES, Hole
from marketprism_application.backtesting.desk import Desk, Wanted
from marketprism_application.backtesting.errors import BacktestError, LookbackExceeded, StrategyFailed
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import OrderKind, OrderState, TimeInForce
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_domain.values import Interval

if TYPE_CHECKING:
    from marketprism_application.backtesting.history import ClosedBar, History
    from marketprism_application.backtesting.universe import Universe

Number: TypeAlias = "int | float | str | Decimal"
_MOST_NONSENSE = 100  # numbers that are none, after which a run is not worth going on


class Context:
    """What a strategy is given with every call. Prices and quantities may be int, Decimal, text or float."""

    def __init__(
        self,
        desk: Desk,
        markets: dict[str, Market],
        history: History,
        seed: int,
        timers: Callable[[int, str], None],
    ) -> None:
        self._desk, self._markets, self._history, self._timers = desk, markets, history, timers
        self.lookback = timedelta(0)
        self._nonsense = 0
        self._refusal = ""  # of the order that is being put together
        self._universe: Universe | None = None
        self._day_ends: dict[tuple[int, int], int] = {}
        self.random = random_module.Random(seed)
        self.logs: list[tuple[int, str]] = []
        self.series: list[tuple[int, str, str]] = []

    # What is there

    @property
    def now(self) -> int:
        """The time of the event, nanoseconds UTC."""
        return self._desk.now

    @property
    def universe(self) -> tuple[str, ...]:
        """Symbols of the run, or those that `on_universe` has chosen, in its order."""
        if self._universe is not None:
            return self._universe.symbols
        return tuple(symbol for symbol, market in self._markets.items() if not market.data.silent)

    def choose_from(self, universe: Universe) -> None:
        """Let the universe be what a strategy chooses; the engine calls it once."""
        self._universe = universe

    def day_end(self, symbol: str) -> int | None:
        """When the trading day ends by the calendar, nanoseconds UTC; None before a market's first day."""
        market = self._market(symbol)
        if not market.day:
            return None
        known = self._day_ends.get((market.rank, market.day))
        if known is None:
            known = market.schedule.sessions(str(market.day))[-1].ts_close
            self._day_ends[market.rank, market.day] = known
        return known

    def intervals(self, symbol: str) -> tuple[str, ...]:
        """Intervals of the bars that the run has of an instrument."""
        return tuple(self._market(symbol).data.bars)

    def position(self, symbol: str) -> Decimal:
        """What is held, below 0 of a short."""
        market = self._market(symbol)
        return market.quantity(self._desk.held_of(market))

    @property
    def equity(self) -> Decimal:
        """Cash and what positions are worth at the last prices."""
        return self._desk.account.equity(self._desk.markets)

    @property
    def margin(self) -> Decimal:
        """Margin of what is held."""
        return self._desk.account.margin(self._desk.markets)

    @property
    def orders(self) -> tuple[Order, ...]:
        """Orders that are not over."""
        return tuple(order for market in self._desk.markets for order in market.open_orders)

    def last(self, symbol: str) -> Decimal | None:
        """The last price that was seen, None before the first."""
        market = self._market(symbol)
        return None if market.last == NO_PRICE else market.price(market.last)

    def value(self, symbol: str) -> Decimal | None:
        """Money that one lot (or one coin) is worth at the last price, None before the first."""
        market = self._market(symbol)
        if market.last == NO_PRICE:
            return None
        return market.instrument.terms.value(Decimal(1), market.price(market.last))

    def phase(self, symbol: str) -> str:
        """Where the market is: auction, continuous, break or closed."""
        return PHASES[self._market(symbol).phase]

    def limits(self, symbol: str) -> tuple[Decimal | None, Decimal | None]:
        """Highest and lowest price of the trading day, None for one that is not known."""
        market = self._contract(symbol)
        upper, lower = (
            None if each == NO_PRICE else market.price(each) for each in (market.limit_up, market.limit_down)
        )
        return upper, lower

    def gap_state(self, symbol: str) -> Hole | None:
        """The last gap that was noticed, None without one."""
        return self._market(symbol).hole

    def bars(self, symbol: str, interval: str, count: int) -> list[ClosedBar]:
        """The last bars that were closed and published by now, the oldest first; fewer where there are fewer.

        Raises:
            LookbackExceeded: more than the strategy's `lookback`.
        """
        reach = count * Interval.parse(interval).nanos
        if reach > self.lookback // timedelta(microseconds=1) * 1_000:
            raise LookbackExceeded(f"lookback: expected at least {count} bars of {interval}, was {self.lookback}")
        return self._history.bars(self._market(symbol), interval, count)

    # What can be done

    def buy(
        self,
        symbol: str,
        quantity: Number,
        *,
        limit: Number | None = None,
        stop: Number | None = None,
        tif: str = "gfd",
        tag: str = "",
    ) -> Order:
        """Send an order to buy: at market, at a limit, or once a stop is touched."""
        return self._order(symbol, 1, quantity, limit, stop, tif, tag)

    def sell(
        self,
        symbol: str,
        quantity: Number,
        *,
        limit: Number | None = None,
        stop: Number | None = None,
        tif: str = "gfd",
        tag: str = "",
    ) -> Order:
        """Send an order to sell: at market, at a limit, or once a stop is touched."""
        return self._order(symbol, -1, quantity, limit, stop, tif, tag)

    def target(self, symbol: str, quantity: Number) -> None:
        """Let a position become this one, below 0 a short. While the market is closed it waits for its opening."""
        market = self._market(symbol)
        steps = self._steps(market, quantity)
        self._desk.decide(market, f"target {symbol} {quantity}")
        if steps is not None:
            self._desk.target(market, steps)

    def close(self, symbol: str) -> None:
        """Let there be no position."""
        self.target(symbol, 0)

    def bracket(
        self,
        symbol: str,
        quantity: Number,
        *,
        stop: Number,
        take: Number,
        limit: Number | None = None,
        tag: str = "",
    ) -> Order:
        """Enter (a quantity below 0 sells) with a stop and a target, of which one ends the other."""
        market, view = self._contract(symbol), self._market(symbol)
        steps = self._steps(market, quantity) or 0
        sign = -1 if steps < 0 else 1
        exits = (self._price(market, stop, -sign, view), self._price(market, take, -sign, view))
        entry = None if limit is None else self._price(market, limit, sign, view)
        self._desk.decide(market, f"bracket {symbol} {quantity} limit={limit} stop={stop} take={take}")
        kind = OrderKind.MARKET if entry is None else OrderKind.LIMIT
        wanted = Wanted(market, sign, abs(steps), kind, entry, bracket=exits, tag=tag, refusal=self._refusal)
        return self._desk.submit(wanted)

    def trailing(self, symbol: str, distance: Number, *, tag: str = "trailing") -> Order:
        """A stop for the whole position that follows the best price at a distance."""
        market = self._contract(symbol)
        sign = -1 if market.held > 0 else 1
        away = self._price(market, distance, 1) or 0
        self._desk.decide(market, f"trailing {symbol} {distance}")
        stop = None if market.last == NO_PRICE else market.last + sign * away
        wanted = Wanted(market, sign, abs(market.held), OrderKind.STOP, None, stop, away, TimeInForce.GTC, tag)
        order = self._desk.submit(wanted._replace(refusal=self._refusal))
        order.extreme = None if market.last == NO_PRICE else market.last
        return order

    def cancel(self, order: Order) -> None:
        """Take an order back; nothing happens to one that is over."""
        self._desk.decide(order.market, f"cancel {order.number}")
        latency = self._desk.settings.latency_of(order.market, self.now)
        if latency and not order.is_done:
            self._timers(self.now + latency, f"\0cancel {order.number}")
        else:
            self._desk.end(order, OrderState.CANCELLED, "CANCELLED")

    def modify(self, order: Order, *, limit: Number | None = None, quantity: Number | None = None) -> Order:
        """Another order in place of one that works: it loses its place in the queue. Returns the new one."""
        market = order.market
        self._desk.decide(market, f"modify {order.number} limit={limit} quantity={quantity}")
        if order.is_done:
            return order
        steps = order.left if quantity is None else abs(self._steps(market, quantity) or 0)
        price = order.limit_ticks if limit is None else self._price(market, limit, order.sign)
        self._desk.end(order, OrderState.CANCELLED, "MODIFIED")
        wanted = Wanted(market, order.sign, steps, order.kind, price, order.stop_ticks, None, order.tif, order.tag)
        return self._desk.submit(wanted)

    def timer(self, name: str, after: timedelta) -> None:
        """Call `on_timer` with a name after some time."""
        self._timers(self.now + int(after / timedelta(microseconds=1)) * 1_000, name)

    def log(self, text: str) -> None:
        """Write a line into the run's log."""
        self.logs.append((self.now, text))

    def record(self, name: str, value: object) -> None:
        """Write a value of a series of the strategy's own into the result."""
        self.series.append((self.now, name, str(value)))

    # Numbers as they come

    def _market(self, symbol: str) -> Market:
        self._refusal = ""
        market = self._markets.get(symbol)
        if market is None:
            near = did_you_mean(symbol, tuple(self._markets))
            raise BacktestError(f"symbol: expected one of {', '.join(self._markets)}, was {symbol!r}{near}")
        return market

    def _contract(self, symbol: str) -> Market:
        """The market that orders go to: of a view that of the contract in force."""
        return self._desk.contract_of(self._market(symbol))

    def _order(
        self,
        symbol: str,
        sign: int,
        quantity: Number,
        limit: Number | None,
        stop: Number | None,
        tif: str,
        tag: str,
    ) -> Order:
        market, view = self._contract(symbol), self._market(symbol)
        steps = self._steps(market, quantity)
        prices = [
            None if each is None else self._price(market, each, way, view)
            for each, way in ((limit, sign), (stop, -sign))
        ]
        side = "buy" if sign > 0 else "sell"
        self._desk.decide(market, f"{side} {symbol} {quantity} limit={limit} stop={stop} {tif} {tag}".rstrip())
        kind = OrderKind.STOP if stop is not None else OrderKind.MARKET if limit is None else OrderKind.LIMIT
        wanted = Wanted(
            market, sign, steps or 0, kind, prices[0], prices[1], tif=TimeInForce(tif), tag=tag, refusal=self._refusal
        )
        return self._desk.submit(wanted)

    def _steps(self, market: Market, quantity: Number) -> int | None:
        """A quantity as steps that an order may have, towards zero; None for what is no number."""
        if type(quantity) is int and market.step == 1 == market.order_step:
            return quantity
        number = self._number(quantity)
        if number is None:
            return None
        steps = number / market.step
        whole = int(steps / market.order_step) * market.order_step
        if whole != steps:
            if self._desk.settings.strict:
                self._refusal = "OFF_STEP"
            else:
                self._desk.counts["ROUNDED_QUANTITY"] += 1
        return whole

    def _price(self, market: Market, price: Number, sign: int, view: Market | None = None) -> int | None:
        """A price in units; one of a view as its contract has it."""
        number = self._number(price)
        if number is None:
            return None
        for lead in () if view is None else view.data.leads:
            if lead.symbol == market.symbol:
                number = (number - lead.shift) / lead.factor
                break
        ticks, rounded = market.ticks_of(number, sign)
        if rounded:
            if self._desk.settings.strict:
                self._refusal = "OFF_TICK"
            else:
                self._desk.counts["ROUNDED_PRICE"] += 1
        return ticks

    def _number(self, value: Number) -> Decimal | None:
        """A finite number; what is none is counted, and ends the run after a hundred."""
        try:
            number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        except (InvalidOperation, ValueError, TypeError):
            number = Decimal("nan")
        if number.is_finite():
            return number
        self._nonsense += 1
        self._desk.counts["NOT_A_NUMBER"] += 1
        self._refusal = "NOT_A_NUMBER"
        if self._nonsense >= _MOST_NONSENSE:
            raise StrategyFailed(f"quantity: expected a number, was {value!r} for the {_MOST_NONSENSE}th time")
        return None
