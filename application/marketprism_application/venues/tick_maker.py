"""Ticks of a venue that has a trade tape: one for each trade, and one when only the best prices moved."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from marketprism_application.contracts.venue_messages import Message
from marketprism_application.venues.protocol import Quote
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.trading_days import utc_day_text
from marketprism_domain.values import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, BookLevel

ZERO = Decimal(0)
NANOS_PER_MS = 1_000_000
_FINEST = Decimal(1).scaleb(-MAX_FRACTION_DIGITS)
_WIDE = Context(prec=2 * (MAX_INTEGER_DIGITS + MAX_FRACTION_DIGITS))


class _State:
    __slots__ = ("asks", "bids", "last", "pending", "quote_seq", "ts_made")

    def __init__(self) -> None:
        self.last: Decimal | None = None
        self.bids: tuple[BookLevel, ...] = ()
        self.asks: tuple[BookLevel, ...] = ()
        self.pending: Quote | None = None
        self.ts_made = self.quote_seq = 0


class TickMaker:
    """Keeps the last price and the best prices of each instrument.

    A trade makes a tick at once, off-book prints none. Moves of the best prices are told at most every `quote_ms`
    milliseconds of receive time, the newest of them. `money_of(symbol, price, quantity)` is the turnover of a trade.
    """

    def __init__(self, money_of: Callable[[str, Decimal, Decimal], Decimal], quote_ms: int = 100) -> None:
        self._money_of = money_of
        self._every = quote_ms * NANOS_PER_MS
        self._states: dict[str, _State] = {}

    def _of(self, symbol: str) -> _State:
        found = self._states.get(symbol)
        if found is None:
            found = self._states[symbol] = _State()
        return found

    def on_trade(self, message: Message) -> Tick | None:
        """The tick of a trade."""
        trade: Any = message
        if trade.off_book:
            return None
        state = self._of(trade.symbol)
        price, quantity = Decimal(trade.price), Decimal(trade.quantity)
        state.last, state.ts_made = price, trade.ts_recv
        if state.pending is not None:
            self._take(state, state.pending)
        return Tick(
            trade.venue,
            trade.symbol,
            trade.source,
            0,
            0,
            trade.ts_event,
            trade.ts_recv,
            0,
            trade.seq,
            utc_day_text(trade.ts_event),
            price,
            bids=state.bids,
            asks=state.asks,
            traded=quantity,
            traded_turnover=_with_room(self._money_of(trade.symbol, price, quantity)),
        )

    def is_due(self, symbol: str, ts_recv: int) -> bool:
        """Whether new best prices would be told now."""
        return ts_recv - self._of(symbol).ts_made >= self._every

    def on_quote(self, quote: Quote, source: str) -> Tick | None:
        """The tick of new best prices, if one is due."""
        state = self._of(quote.symbol)
        state.pending = quote
        if quote.ts_recv - state.ts_made < self._every:
            return None
        return self._quoted(state, source)

    def on_clock(self, now_ns: int, source: str) -> list[Tick]:
        """Ticks of best prices that have waited long enough."""
        due = now_ns - self._every
        return [
            self._quoted(state, source)
            for state in self._states.values()
            if state.pending is not None and state.ts_made <= due
        ]

    @staticmethod
    def _take(state: _State, quote: Quote) -> None:
        state.bids = (BookLevel(Decimal(quote.bid), Decimal(quote.bid_quantity)),)
        state.asks = (BookLevel(Decimal(quote.ask), Decimal(quote.ask_quantity)),)
        state.pending = None

    def _quoted(self, state: _State, source: str) -> Tick:
        quote = state.pending
        assert quote is not None  # noqa: S101 (callers look first)
        self._take(state, quote)
        state.ts_made = quote.ts_recv
        state.quote_seq = max(state.quote_seq + 1, quote.ts_event)
        return Tick(
            quote.venue,
            quote.symbol,
            f"{source}:quote",
            0,
            0,
            quote.ts_event,
            quote.ts_recv,
            0,
            state.quote_seq,
            utc_day_text(quote.ts_event),
            state.last,
            bids=state.bids,
            asks=state.asks,
            traded=ZERO,
            traded_turnover=ZERO,
        )


def _with_room(money: Decimal) -> Decimal:
    """A product as the tables hold it: rounded where a price and a quantity have many digits behind the point."""
    fine = -int(money.as_tuple().exponent) > MAX_FRACTION_DIGITS
    return money.quantize(_FINEST, context=_WIDE) if fine else money
