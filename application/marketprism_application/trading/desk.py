"""The order desk: a request checked, its markets resolved, its price found, and calculated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.orders import (
    Account,
    AccountLiquidation,
    CalculateOrder,
    Calculation,
    Profit,
    ProfitOf,
    Size,
    SizeOf,
    TableShown,
    TablesOf,
)
from marketprism_application.errors import OrderError
from marketprism_application.ports.order_market import NewestPrices, OrderMarket
from marketprism_application.ports.trading_tables import TableRow, TradingTables
from marketprism_application.trading.accounts import account
from marketprism_application.trading.calculation import Priced, calculate, with_prices
from marketprism_application.trading.markets import Evidence, Given, Market, check_symbol, is_stale, resolve, venue_of
from marketprism_application.trading.number_checks import check_numbers, shown
from marketprism_application.trading.profits import profit
from marketprism_application.trading.sizes import size
from marketprism_domain.trading.arithmetic import exact_arithmetic
from marketprism_domain.trading.margins import CostRule


class OrderDesk:
    """Answers five questions about orders. It keeps nothing, so that any number of them answer alike.

    All raise OrderError: the request is the caller's mistake; names field, value and what was expected.
    """

    def __init__(self, tables: TradingTables, market: OrderMarket, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._tables = tables
        self._market = market
        self._now_ns = now_ns

    async def calculate(self, asked: CalculateOrder) -> Calculation:
        """An order as it would be sent, what it costs, and where its position ends."""
        check_numbers(asked)
        venue, evidence = venue_of(asked.venue, self._tables), Evidence(self._day(asked.at))
        given = Given(
            asked.terms,
            asked.tiers,
            asked.fees,
            asked.fee_level,
            asked.margin_rate,
            asked.strike,
            asked.option_type,
        )
        market = await self._resolved(venue, asked.symbol, given, evidence)
        is_wanted = asked.price is None or (needs_market_price(market) and asked.mark is None and asked.last is None)
        newest = await self._newest(market) if is_wanted else None
        priced = _priced(asked.price, newest, asked.symbol)
        if newest is not None and asked.mark is None and asked.last is None:
            asked = with_prices(asked, newest.last, newest.mark)
            _add_prices(newest, evidence)
        others = {
            symbol: await self._resolved(venue, symbol, Given(fee_level=asked.fee_level), evidence)
            for symbol in _symbols(position.symbol for position in asked.positions)
            if symbol != asked.symbol
        }
        with exact_arithmetic():
            return calculate(asked, market, priced, others, evidence)

    async def pnl(self, asked: ProfitOf) -> Profit:
        """Profit of a position at a price, the newest one where none is given."""
        check_numbers(asked)
        venue, evidence = venue_of(asked.venue, self._tables), Evidence(self._day(asked.at))
        given = Given(asked.terms, (), asked.fees, asked.fee_level)
        market = await self._resolved(venue, asked.symbol, given, evidence)
        evidence.not_known.clear()  # a profit needs no margin, and nothing is rounded
        newest = await self._newest(market) if asked.price is None else None
        priced = _priced(asked.price, newest, asked.symbol)
        with exact_arithmetic():
            return profit(asked, market, priced, evidence)

    async def liquidation(self, asked: AccountLiquidation) -> Account:
        """Where the positions of an account are liquidated."""
        check_numbers(asked)
        venue, evidence = venue_of(asked.venue, self._tables), Evidence(self._day(asked.at))
        markets = {}
        for symbol in _symbols(position.symbol for position in asked.positions):
            given = Given(
                asked.terms.get(symbol),
                asked.tiers.get(symbol, ()),
                asked.fees,
                asked.fee_level,
                asked.margin_rates.get(symbol),
            )
            markets[symbol] = await self._resolved(venue, symbol, given, evidence)
        with exact_arithmetic():
            return account(asked, markets, evidence)

    async def size(self, asked: SizeOf) -> Size:
        """How much to trade by what may be lost, or by what there is."""
        check_numbers(asked)
        venue, evidence = venue_of(asked.venue, self._tables), Evidence(self._day(asked.at))
        given = Given(asked.terms, asked.tiers, asked.fees, asked.fee_level, asked.margin_rate)
        market = await self._resolved(venue, asked.symbol, given, evidence)
        newest = await self._newest(market) if asked.price is None else None
        priced = _priced(asked.price, newest, asked.symbol)
        with exact_arithmetic():
            return size(asked, market, priced, evidence)

    async def tables(self, asked: TablesOf) -> list[TableShown]:
        """The rows of a venue's tables that hold on a day: of those for the same symbols the newest as of it."""
        check_numbers(asked)
        venue, on = venue_of(asked.venue, self._tables), self._day(asked.at)
        return [
            TableShown(
                row.source.table,
                row.symbols,
                row.source.as_of.isoformat(),
                row.source.text,
                is_stale(row.source, on),
                row.values,
            )
            for row in _holding(self._tables.rows(venue), on)
        ]

    async def _resolved(self, venue: str, symbol: str, given: Given, evidence: Evidence) -> Market:
        check_symbol(symbol)
        listed = await self._market.listed(venue, symbol)
        return resolve(venue, symbol, self._tables, listed, given, evidence)

    async def _newest(self, market: Market) -> NewestPrices | None:
        return await self._market.newest(market.venue, market.symbol)

    def _day(self, at: int) -> date:
        return datetime.fromtimestamp((at or self._now_ns()) // 1_000_000_000, UTC).date()


def _holding(rows: Iterable[TableRow], on: date) -> list[TableRow]:
    """Of rows for the same symbols the newest as of a day, the first where all are later."""
    found: dict[tuple[str, tuple[str, ...], object], list[TableRow]] = {}
    for row in rows:
        found.setdefault((row.source.table, row.symbols, row.values.get("level")), []).append(row)

    def holds(of: list[TableRow]) -> TableRow:
        before = [row for row in of if row.source.as_of <= on]
        day = max(row.source.as_of for row in before) if before else min(row.source.as_of for row in of)
        return [row for row in of if row.source.as_of == day][-1]

    return [holds(each) for each in found.values()]


def needs_market_price(market: Market) -> bool:
    """Whether the cost of an order, or what its price may be, goes by where the market stands."""
    return market.rules.cost is not CostRule.MARGIN_ONLY or market.order_rules.percent_price is not None


def _add_prices(newest: NewestPrices, evidence: Evidence) -> None:
    """Name the newest prices that an answer rests on."""
    if newest.last is not None:
        evidence.prices(f"last price {shown(newest.last)}, newest tick", _instant(newest.ts_event))
    if newest.mark is not None:
        evidence.prices(f"mark {shown(newest.mark)}", "")


def _instant(ts: int) -> str:
    return datetime.fromtimestamp(ts // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _symbols(symbols: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(symbols))


def _priced(price: Decimal | None, newest: NewestPrices | None, symbol: str) -> Priced:
    """The price that is given, else the newest, with where it is from.

    Raises:
        OrderError: NO_PRICE, there is neither.
    """
    if price is not None:
        return Priced(price, "request")
    if newest is not None and newest.last is not None and newest.last > 0:
        return Priced(newest.last, f"newest tick, {_instant(newest.ts_event)}")
    if newest is not None and newest.mark is not None and newest.mark > 0:
        return Priced(newest.mark, "newest mark")
    raise OrderError("price", f"a price, since the platform has none of {symbol} now", "none", code=Code.NO_PRICE)


__all__ = ["OrderDesk"]
