"""Orders of a run: taken or refused by the market's rules, filled by a mode's matching, booked in the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from marketprism_application.backtesting.account import Account, margin_at
from marketprism_application.backtesting.clock import Clock
from marketprism_application.backtesting.columns import CLOSED, CONTINUOUS, HALT, NO_PRICE
from marketprism_application.backtesting.forced import average_entry, refresh_guard
from marketprism_application.backtesting.market import Market, Order
from marketprism_application.backtesting.orders import ENDED, Evidence, Fill, OrderKind, OrderState, TimeInForce
from marketprism_application.backtesting.round_trips import Payment
from marketprism_application.backtesting.settings import NANOS_PER_MINUTE, RunSettings
from marketprism_domain.trading.arithmetic import ZERO

_PLENTY = 1.5  # of an order's whole value: more than any margin and fee of it


class Wanted(NamedTuple):
    """An order as a strategy asks for it: prices in units on the tick, quantity in steps."""

    market: Market
    sign: int
    steps: int
    kind: OrderKind = OrderKind.MARKET
    limit: int | None = None
    stop: int | None = None
    trail: int | None = None
    tif: TimeInForce = TimeInForce.GFD
    tag: str = ""
    bracket: tuple[int | None, int | None] | None = None
    of_target: bool = False
    forced: bool = False
    refusal: str = ""


class Decision(NamedTuple):
    """What a strategy called: when, on which instrument (its rank), and what, as one line of text."""

    ts: int
    rank: int
    text: str


class Holding(NamedTuple):
    """What is held of an instrument since an instant: steps, what they were paid (steps x units), all cash, and of an
    inverse contract the average price that keeps its worth in the coin."""

    ts: int
    rank: int
    held: int
    paid: int
    cash: Decimal
    entry: Decimal = ZERO


class Desk:
    """Every order of a run."""

    def __init__(
        self,
        settings: RunSettings,
        account: Account,
        markets: list[Market],
        clock: Clock,
    ) -> None:
        self._clock = clock
        self.settings, self.account, self.markets = settings, account, markets
        self.orders: list[Order] = []
        self.fills: list[Fill] = []
        self.decisions: list[Decision] = []
        self.counts: Counter[str] = Counter()  # refusals and roundings by code
        self.lookback_ns = 0
        self.slippage = ZERO  # money that fills were worse than the rows that allowed them
        self.holdings: list[Holding] = []
        self.payments: list[Payment] = []
        self.fronts: dict[int, Market] = {}  # of views, by rank: the contract that orders go to
        self.families: dict[int, list[Market]] = {}  # of views, by rank: the contracts that lead one after another
        self.on_way: Callable[[Order], None] | None = None  # an order goes to a market that is halted
        self.on_order: Callable[[Order], None] | None = None
        self.on_fill: Callable[[Fill], None] | None = None

    @property
    def now(self) -> int:
        """The time of the event, nanoseconds UTC."""
        return self._clock.now

    def contract_of(self, market: Market) -> Market:
        """Where orders of an instrument go: of a view to the contract in force."""
        return self.fronts.get(market.rank, market)

    def held_of(self, market: Market) -> int:
        """Steps that are held of an instrument, of a view those of all its contracts."""
        family = self.families.get(market.rank)
        return market.held if family is None else sum(each.held for each in family)

    def decide(self, market: Market, text: str) -> None:
        """Write down what the strategy called."""
        self.decisions.append(Decision(self.now, market.rank, text))

    def submit(self, wanted: Wanted) -> Order:
        """Take an order, or refuse it: then its state says so and `code` why."""
        market = wanted.market
        order = Order(len(self.orders) + 1, market, wanted.sign, wanted.kind, wanted.steps, wanted.tif, self.now)
        order.limit_ticks, order.stop_ticks, order.trail_ticks = wanted.limit, wanted.stop, wanted.trail
        order.tag, order.bracket, order.of_target = wanted.tag, wanted.bracket, wanted.of_target
        order.forced = wanted.forced
        order.ts_active = self.now + self.settings.latency_of(market, self.now)
        self.orders.append(order)
        code = wanted.refusal or ("" if wanted.forced else self._refusal(order))
        if code:
            self.end(order, OrderState.REJECTED, code)
        elif market.phase == CLOSED and order.tif is not TimeInForce.GTC and not wanted.forced:
            self.end(order, OrderState.EXPIRED, "DAY_ENDED")
        elif market.phase == HALT:
            market.suspended.append(order)
            if self.on_way is not None and not wanted.forced:
                self.on_way(order)
        else:
            market.working.append(order)
        return order

    def _refusal(self, order: Order) -> str:
        """Why an order is not taken, empty where it is."""
        return self._refused_by_market(order) or self._refused_by_account(order)

    def _refused_by_market(self, order: Order) -> str:
        market = order.market
        if market.ended:
            return "CONTRACT_EXPIRED"
        if market.phase == HALT and order.ts_active <= self.now:
            return "HALTED"
        if order.quantity_steps <= 0:
            return "QUANTITY_NOT_POSITIVE"
        if order.quantity_steps % market.order_step:
            return "OFF_STEP"
        price = order.limit_ticks
        if price is not None and market.limit_up != NO_PRICE and price > market.limit_up:
            return "ABOVE_LIMIT"
        if price is not None and market.limit_down != NO_PRICE and price < market.limit_down:
            return "BELOW_LIMIT"
        return ""

    def _refused_by_account(self, order: Order) -> str:
        """Only what makes a position larger is: money and gaps are no reason to hold on to one."""
        opening = self._opening(order)
        if not opening:
            return ""
        market, price = order.market, order.limit_ticks
        policy = self.settings.gap_policy
        hole = market.hole
        if policy.rule == "no_entry" and hole is not None:
            reach = policy.minutes * NANOS_PER_MINUTE or self.lookback_ns
            if self.now - hole.ts_to < reach:
                return "IN_GAP"
        at = price if price is not None else market.last
        if at == NO_PRICE:
            return ""
        if self._covers(market, opening, at):
            return ""
        needed = margin_at(market, opening, at)
        if not needed:
            return ""
        money = market.price(at)
        needed += market.instrument.taker.open.fee(market.instrument.terms, market.quantity(opening), money)
        free = self.account.equity(self.markets) - self.account.margin(self.markets)
        released = self.account.margin_of(market) if market.held * order.sign < 0 else ZERO
        return "INSUFFICIENT_MARGIN" if needed > free + released else ""

    def _covers(self, market: Market, opening: int, price: int) -> bool:
        """Whether there is so much more than an order needs that doubles can tell."""
        instrument = market.instrument
        if instrument.terms.inverse or instrument.margin is None:
            return instrument.margin is None and instrument.leverage is None
        free = float(self._cash())
        for each in self.markets:
            if each.held:
                position = self.account.position(each)
                free += (each.held * each.last - position.paid) * each.rough_value - float(position.margin)
        return free > _PLENTY * opening * price * market.rough_value > 0

    @staticmethod
    def _opening(order: Order) -> int:
        """Steps by which an order makes a position larger."""
        held = order.market.held
        return order.quantity_steps if held * order.sign >= 0 else max(0, order.quantity_steps - abs(held))

    def end(self, order: Order, state: OrderState, code: str = "") -> None:
        """An order is over without more fills; its rivals and waiting exits are too where nothing was filled."""
        if order.state in ENDED:
            return
        order.state, order.code, order.ts_done = state, code, self.now
        _take_out(order)
        if state is OrderState.REJECTED:
            self.counts[code] += 1
        if self.on_order is not None:
            self.on_order(order)

    def fill(
        self,
        order: Order,
        steps: int,
        price: int | Decimal,
        ts: int,
        *,
        taker: bool,
        evidence: Evidence,
        row_price: int | None = None,
    ) -> None:
        """Part of an order is filled at a price in units, which of a delivery need not be whole; `ts` may lie before
        the event that tells of it. `row_price` is that of the row, where the price has slippage."""
        market = order.market
        if row_price is not None and row_price != price:
            value, quantity = market.instrument.terms.value, market.quantity(steps)
            self.slippage += abs(value(quantity, market.price(price)) - value(quantity, market.price(row_price)))
        rule = market.instrument.taker if taker else market.instrument.maker
        applied = self.account.apply(market, order.sign, steps, price, ts, rule=rule)
        order.filled += steps
        if order.filled == order.quantity_steps:
            order.state, order.ts_done = OrderState.FILLED, self.now
            _take_out(order)
        else:
            order.state = OrderState.WORKING
        self.note(market)
        done = Fill(
            len(self.fills) + 1,
            order.number,
            ts,
            self.now,
            market.day_text,
            market.venue,
            market.symbol,
            "buy" if order.sign > 0 else "sell",
            market.quantity(steps),
            market.price(price),
            applied.fee,
            applied.profit,
            taker,
            order.tag,
            "none" if market.hole is None else self._gap(market, ts),
            market.quantity(market.held),
            evidence,
        )
        self.fills.append(done)
        refresh_guard(self.account, self.markets, market)
        for rival in order.rivals:
            self.end(rival, OrderState.CANCELLED, "RIVAL_FILLED")
        if order.bracket is not None and order.state is OrderState.FILLED:
            self._exits(order, ts)
        if self.on_fill is not None:
            self.on_fill(done)

    def pay(self, market: Market, amount: Decimal, ts: int) -> None:
        """Book a payment of funding of an instant, below 0 where it is paid."""
        self.account.pay(market, amount)
        self.payments.append(Payment(ts, market.rank, amount))
        self.note(market)

    def note(self, market: Market) -> None:
        """Write down what is held and what cash there is, from now on."""
        position = self.account.position(market)
        entry = average_entry(position) if market.held and market.instrument.terms.inverse else ZERO
        self.holdings.append(Holding(self.now, market.rank, market.held, position.paid, self._cash(), entry))

    def _exits(self, entry: Order, ts: int) -> None:
        """The stop and the take of an entry that is filled: whichever is filled first ends the other."""
        assert entry.bracket is not None  # noqa: S101 (asked by the caller)
        stop, take = entry.bracket
        exits = []
        for kind, price in ((OrderKind.STOP, stop), (OrderKind.LIMIT, take)):
            if price is None:
                continue
            # They lie at the venue since the fill, which a bar tells of at its end only.
            order = Order(len(self.orders) + 1, entry.market, -entry.sign, kind, entry.filled, TimeInForce.GTC, ts)
            if kind is OrderKind.STOP:
                order.stop_ticks = price
            else:
                order.limit_ticks = price
            order.parent, order.tag = entry.number, entry.tag
            self.orders.append(order)
            (entry.market.suspended if entry.market.phase == HALT else entry.market.working).append(order)
            exits.append(order)
        for order in exits:
            order.rivals = tuple(other for other in exits if other is not order)

    def expire(self, order: Order, code: str) -> None:
        """An order is over because its day or its contract is."""
        self.end(order, OrderState.EXPIRED, code)

    def expire_day(self, market: Market) -> None:
        """The trading day is over: orders of the day end with it, and so do targets that were sent."""
        for order in market.open_orders:
            if order.tif is not TimeInForce.GTC and order.ts_created <= market.day_end:
                self.expire(order, "DAY_ENDED")

    def target(self, market: Market, steps: int) -> None:
        """Send what lacks of a wanted position; while the market is closed or halted it waits for the next opening."""
        if market.phase in (CLOSED, HALT):
            market.wanted = steps
            return
        market.wanted = None
        lacking = steps - (self.held_of(market) if self.families else market.held)
        for each in self.families.get(market.rank, (market,)):
            if each.working:
                lacking -= sum(order.sign * order.left for order in each.working if order.of_target)
        if lacking:
            sign = 1 if lacking > 0 else -1
            self.submit(Wanted(self.contract_of(market), sign, abs(lacking), of_target=True, tag="target"))

    def force_close(self, market: Market, tag: str) -> Order:
        """A market order for all that is held, which nothing refuses."""
        for order in market.open_orders:
            self.end(order, OrderState.CANCELLED, "FORCED")
        sign = -1 if market.held > 0 else 1
        return self.submit(Wanted(market, sign, abs(market.held), tif=TimeInForce.GTC, tag=tag, forced=True))

    def is_open(self, market: Market) -> bool:
        """Whether the market trades continuously now."""
        return market.phase == CONTINUOUS

    def _cash(self) -> Decimal:
        cash = self.account.cash
        return cash[self.account.currency] if len(cash) == 1 else sum(cash.values(), ZERO)

    @staticmethod
    def _gap(market: Market, ts: int) -> str:
        hole = market.hole
        if hole is None:
            return "none"
        if hole.ts_from <= ts < hole.ts_to:
            return "inside"
        return f"after({(ts - hole.ts_to) // 1_000_000_000} s)"


def _take_out(order: Order) -> None:
    """An order is matched no more."""
    for orders in (order.market.working, order.market.suspended):
        if order in orders:
            orders.remove(order)
