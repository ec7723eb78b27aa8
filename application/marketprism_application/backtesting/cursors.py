"""Views of rows: one object for each series, which the engine moves on. Decimals are made on demand."""

from __future__ import annotations

from decimal import Decimal

from marketprism_application.backtesting.columns import NO_PRICE, PHASES
from marketprism_application.backtesting.grid import PriceGrid


class BarView:
    """The bar that was closed last. `open_ticks … close_ticks` are whole units, `open … close` decimals.

    `revision` counts from 0; one above it comes again, live, after data that were late.
    """

    __slots__ = (
        "close_ticks",
        "gap",
        "high_ticks",
        "interval",
        "low_ticks",
        "market",
        "open_ticks",
        "revision",
        "symbol",
        "ts_close",
        "ts_open",
        "venue",
        "volume_steps",
    )

    def __init__(self, market: PriceGrid, interval: str) -> None:
        self.market, self.interval, self.venue, self.symbol = market, interval, market.venue, market.symbol
        self.ts_open = self.ts_close = self.volume_steps = 0
        self.open_ticks = self.high_ticks = self.low_ticks = self.close_ticks = self.revision = 0
        self.gap = False

    @property
    def open(self) -> Decimal:
        """First price of the bar."""
        return self.market.price(self.open_ticks)

    @property
    def high(self) -> Decimal:
        """Highest price of the bar."""
        return self.market.price(self.high_ticks)

    @property
    def low(self) -> Decimal:
        """Lowest price of the bar."""
        return self.market.price(self.low_ticks)

    @property
    def close(self) -> Decimal:
        """Last price of the bar."""
        return self.market.price(self.close_ticks)

    @property
    def volume(self) -> Decimal:
        """Volume as the venue counts it."""
        return self.market.quantity(self.volume_steps)


class TickView:
    """The newest snapshot or quote; sizes are 0 and prices None on a side that has none."""

    __slots__ = (
        "ask_size",
        "ask_ticks",
        "bid_size",
        "bid_ticks",
        "last_ticks",
        "limit_down_ticks",
        "limit_up_ticks",
        "market",
        "phase_code",
        "seq",
        "symbol",
        "ts",
        "turnover_units",
        "venue",
        "volume_steps",
    )

    def __init__(self, market: PriceGrid) -> None:
        self.market, self.venue, self.symbol = market, market.venue, market.symbol
        self.turnover_units = 0
        self.ts = self.seq = self.bid_size = self.ask_size = self.volume_steps = self.phase_code = 0
        self.last_ticks = self.bid_ticks = self.ask_ticks = NO_PRICE
        self.limit_up_ticks = self.limit_down_ticks = NO_PRICE

    @property
    def last(self) -> Decimal | None:
        """Price of the last trade."""
        return self._of(self.last_ticks)

    @property
    def bid(self) -> Decimal | None:
        """Best price that somebody buys at."""
        return self._of(self.bid_ticks) if self.bid_size else None

    @property
    def ask(self) -> Decimal | None:
        """Best price that somebody sells at."""
        return self._of(self.ask_ticks) if self.ask_size else None

    @property
    def volume(self) -> Decimal:
        """What was traded since the row before, as the venue counts it."""
        return self.market.quantity(self.volume_steps)

    @property
    def phase(self) -> str:
        """The phase of the market: auction, continuous, section_end, break or closed."""
        return PHASES[self.phase_code]

    def _of(self, ticks: int) -> Decimal | None:
        return None if ticks == NO_PRICE else self.market.price(ticks)


class TradeView:
    """The newest trade of a tape; `taker` is 1 where the taker bought, -1 where it sold."""

    __slots__ = ("market", "price_ticks", "quantity_steps", "seq", "symbol", "taker", "ts", "venue")

    def __init__(self, market: PriceGrid) -> None:
        self.market, self.venue, self.symbol = market, market.venue, market.symbol
        self.ts = self.seq = self.price_ticks = self.quantity_steps = self.taker = 0

    @property
    def price(self) -> Decimal:
        """Price of the trade."""
        return self.market.price(self.price_ticks)

    @property
    def quantity(self) -> Decimal:
        """Quantity of the trade."""
        return self.market.quantity(self.quantity_steps)
