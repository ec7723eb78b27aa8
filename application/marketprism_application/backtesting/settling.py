"""What positions pay and become at set times: funding of perpetuals, the day's settlement, a contract's last day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count, pairwise
from typing import Final

from marketprism_application.backtesting.agenda import BEHIND_BARS_RANK, FUNDING_RANK, Agenda
from marketprism_application.backtesting.columns import NO_PRICE, FundingRow
from marketprism_application.backtesting.desk import Desk
from marketprism_application.backtesting.errors import FundingMissing
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.market_rules import FundingRule, expiry_of
from marketprism_application.backtesting.orders import Evidence
from marketprism_application.backtesting.settings import FillMode
from marketprism_domain.trading.margins import funding_payment, is_charged

_HOUR_NS: Final = 3_600_000_000_000
_USUAL_NS: Final = 8 * _HOUR_NS  # 00:00, 08:00 and 16:00 UTC, where the rows do not say it
_NEAR_NS: Final = 300_000_000_000  # venues write the instant with seconds behind it


class Settler:
    """Settles the positions of a run. `funded` tells the strategy of a settlement of funding."""

    def __init__(self, desk: Desk, funded: Callable[[FundingRow], None]) -> None:
        self._desk, self._account, self._funded = desk, desk.account, funded
        self._funding = FundingRule.parse(desk.settings.funding)
        self._expiry = expiry_of(desk.settings.expiry)

    # Funding

    def plan_funding(self, agenda: Agenda, market: Market, ts_from: int, ts_to: int) -> None:
        """Put the settlements of funding on the agenda: those with a rate, and those of a perpetual without one."""
        rule, rows = self._funding.rule, market.data.funding
        if rule == "ignore":
            return
        for row in rows:
            self._add(agenda, row.ts, market, partial(self._settle_funding, market, row))
        if rule == "stored" or not market.is_perpetual:
            return
        there = {_nearest(row.ts, _every(rows)) for row in rows}
        every = _every(rows)
        self._plan_missing(
            agenda, market, (ts for ts in count(-(-ts_from // every) * every, every) if ts not in there), ts_to
        )

    def _plan_missing(self, agenda: Agenda, market: Market, times: Iterator[int], ts_to: int) -> None:
        """The next settlement that has no rate, and when it is over the one after it: a run may not know its end."""
        ts = next(times)

        def settle() -> None:
            self._without_rate(market, ts)
            self._plan_missing(agenda, market, times, ts_to)

        if ts <= ts_to:
            self._add(agenda, ts, market, settle)

    def _add(self, agenda: Agenda, ts: int, market: Market, work: Callable[[], None]) -> None:
        """A settlement is before the rows of its instant, but behind a bar that ends then: its fills were before."""
        settings = self._desk.settings
        if settings.fill is FillMode.BAR:
            agenda.add(ts + settings.delay_of_bars, BEHIND_BARS_RANK, market.rank, work)
        else:
            agenda.add(ts, FUNDING_RANK, market.rank, work)

    def _without_rate(self, market: Market, ts: int) -> None:
        """A settlement whose rate is not there: an error for whoever holds, or the rate that is assumed."""
        if not market.held:
            return
        rate = self._funding.rate
        if rate is None:
            moment = datetime.fromtimestamp(ts / 1e9, UTC).isoformat(timespec="seconds")
            raise FundingMissing(
                f"funding: expected a rate of {market.symbol} at {moment}, over which {market.quantity(market.held)} "
                "is held, was none; assume:RATE, stored or ignore run without it"
            )
        self._desk.counts["FUNDING_ASSUMED"] += 1
        self._settle_funding(market, FundingRow(ts, rate))

    def _settle_funding(self, market: Market, row: FundingRow) -> None:
        instrument = market.instrument
        published = market.last if market.mark == NO_PRICE else market.mark
        mark = row.mark if row.mark is not None else market.price(published)
        for lot in self._account.position(market).lots:
            if is_charged(lot.ts, row.ts, instrument.funding_cutoff_s):
                sign, quantity = (1 if lot.steps > 0 else -1), market.quantity(abs(lot.steps))
                amount = funding_payment(instrument.terms, sign, quantity, mark, row.rate)
                self._desk.pay(market, amount, row.ts)
        self._funded(row)

    # The end of a day

    def end_day(self, market: Market) -> None:
        """A trading day is over: margins count from its settlement on, and a contract may have had its last day."""
        price = market.settlement(str(market.day))
        if market.held and (price is not None or market.last != NO_PRICE):
            mark = market.last if price is None else int((price / market.unit).to_integral_value())
            self._account.position(market).settle(mark)
        last_day = market.instrument.last_day
        if last_day and str(market.day) >= last_day and self._expiry != "ignore":
            self._expire(market, price)

    def _expire(self, market: Market, settlement: Decimal | None) -> None:
        """A contract has ended: what is held is closed at its last price, or settled in cash at the delivery price."""
        market.ended = True
        for order in market.open_orders:
            self._desk.expire(order, "CONTRACT_EXPIRED")
        if not market.held or market.last == NO_PRICE:
            return
        price = market.price(market.last)
        if self._expiry == "settle":
            delivery = market.instrument.delivery if market.instrument.delivery is not None else settlement
            self._desk.counts["DELIVERY_AT_LAST_PRICE" if delivery is None else "DELIVERED"] += 1
            price = price if delivery is None else delivery
        order = self._desk.force_close(market, "expiry")
        series = f"bar.{next(iter(market.data.bars))}" if self._desk.settings.fill is FillMode.BAR else "tick"
        evidence = Evidence(series, market.venue, market.symbol, self._desk.now, 0)
        self._desk.fill(order, order.left, price / market.unit, self._desk.now, taker=True, evidence=evidence)


def _every(rows: tuple[FundingRow, ...]) -> int:
    """Nanoseconds between two settlements, by the rows that there are."""
    steps = [round((after.ts - before.ts) / _HOUR_NS) for before, after in pairwise(sorted(rows))]
    return min((step * _HOUR_NS for step in steps if step), default=_USUAL_NS)


def _nearest(ts: int, every: int) -> int:
    """The settlement that a row is of, itself where it is of none."""
    near = (ts + every // 2) // every * every
    return near if abs(near - ts) <= _NEAR_NS else ts


__all__ = ["Settler"]
