"""SyncMarketClient: MarketClient for notebooks, scripts and threads, without an event loop of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from marketprism_application.contracts.questions import Question
from marketprism_application.contracts.replays import ReplayPosition
from marketprism_client._answer import Answer, Row
from marketprism_client._client import MarketClient
from marketprism_client._fields import Fields
from marketprism_client._history import Names, TradingDay
from marketprism_client._loop_thread import LoopThread, SyncStream
from marketprism_client._records import SomeRecord
from marketprism_client._sync_backtests import SyncBacktests
from marketprism_client._sync_data import SyncData
from marketprism_client._sync_history import SyncHistory, pages_of
from marketprism_client._sync_live import SyncLive
from marketprism_client._sync_orders import SyncOrders
from marketprism_client._times import CHINA_ZONE, Time
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.orderbook import OrderBook
from marketprism_domain.marketdata.quality import QualityReport
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.marketdata.trade import Trade

if TYPE_CHECKING:
    import pyarrow as pa

    from marketprism_sdk.nats.access import NatsAccess


class SyncMarketClient:
    """`with SyncMarketClient(url) as market: market.bars("ru1901", "1m")`, or without `with`, and `close()` at the end.

    Methods, arguments and errors are those of `MarketClient`; live data is iterated over with `for`. It works inside a
    running event loop (a notebook), and from several threads. Ctrl-C ends what is waited for.
    """

    def __init__(
        self,
        url: str = "nats://127.0.0.1:4222",
        *,
        timeout_s: float = 30.0,
        prefix: str = "",
        tz: str = CHINA_ZONE,
        key: str = "",
        ca: str | Path | None = None,
        access: NatsAccess | None = None,
    ) -> None:
        self._market = MarketClient(url, timeout_s=timeout_s, prefix=prefix, tz=tz, key=key, ca=ca, access=access)
        self._loop = LoopThread(self._market.__aenter__, lambda: self._market.__aexit__(None, None, None))
        self._history = SyncHistory(self._loop, self._market.history)
        self._live = SyncLive(self._loop, self._market.live)
        self._orders = SyncOrders(self._loop, self._market.orders)
        self._data = SyncData(self._loop, self._market.data)
        self._backtests = SyncBacktests(self._loop, self._market.backtests)

    def __enter__(self) -> Self:
        self._loop.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; whoever asks again connects again."""
        self._loop.close()

    @property
    def dropped(self) -> int:
        """Live messages that a slow reader lost."""
        return self._market.dropped

    @property
    def malformed(self) -> int:
        """Live messages that were no message of their kind."""
        return self._market.malformed

    @property
    def position(self) -> ReplayPosition | None:
        """Where the replay of `prefix` is: `ts` nanoseconds UTC, `sent` by kind, `ended`; None while it is silent."""
        return self._market.position

    @property
    def live(self) -> SyncLive:
        """What comes, from now on: `live.ticks("ru1901")`, `live("ticker", "BTC-USDT")`."""
        return self._live

    @property
    def history(self) -> SyncHistory:
        """What is stored, by the same names: `history.ticks("ru1901", …)`, `history("ticker", "BTC-USDT", …)`."""
        return self._history

    @property
    def backtests(self) -> SyncBacktests:
        """Strategies run over stored rows: `backtests.run("package.module:Class", "ru1901", interval="1m")`."""
        return self._backtests

    @property
    def orders(self) -> SyncOrders:
        """What an order costs and may be, before it is sent: `orders.calculate(venue=…, symbol=…, side=…, …)`."""
        return self._orders

    @property
    def data(self) -> SyncData:
        """Downloads, checks, repairs, imports and exports, as jobs of the data service: `data.check("ru1901")`."""
        return self._data

    def ticks(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[Tick]:
        """Ticks from now on, at every venue: `live.ticks`."""
        return SyncStream(self._loop, self._market.ticks(symbol, venue=venue, wait=wait))

    def trades(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> SyncStream[Trade]:
        """Trades from now on: `live.trades`."""
        return SyncStream(self._loop, self._market.trades(symbol, venue=venue, wait=wait))

    def books(self, symbol: str, *, venue: str = "*", wait: bool = False) -> SyncStream[OrderBook]:
        """A book from now on, which begins as it stands: `live.books`."""
        return SyncStream(self._loop, self._market.books(symbol, venue=venue, wait=wait))

    def bars_live(self, symbol: Names, interval: str) -> SyncStream[Bar]:
        """Bars as they close; the older name of `live.bars`."""
        return SyncStream(self._loop, self._market.bars_live(symbol, interval))

    def bars(
        self,
        symbol: Names,
        interval: str,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        trading_day: TradingDay = None,
        last: int | None = None,
        fields: Fields = None,
        as_of: Time = None,
    ) -> Answer[Bar]:
        """Stored bars with ts_open in [start, end), or of trading days: `history.bars`."""
        return self._loop.run(
            self._market.bars(
                symbol,
                interval,
                start,
                end,
                venue=venue,
                trading_day=trading_day,
                last=last,
                fields=fields,
                as_of=as_of,
            )
        )

    def ticks_between(
        self, symbol: Names, start: Time = None, end: Time = None, *, venue: str | None = None
    ) -> Answer[Tick]:
        """Stored ticks with ts_event in [start, end); the older name of `history.ticks`."""
        return self._loop.run(self._market.ticks_between(symbol, start, end, venue=venue))

    def records(
        self,
        kind: str,
        symbol: Names,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        interval: str | None = None,
    ) -> Answer[SomeRecord]:
        """Stored records of any kind with their time in [start, end); the older name of `history(kind, …)`."""
        return self._loop.run(self._market.records(kind, symbol, start, end, venue=venue, interval=interval))

    def last(self, kind: str, symbol: Names, count: int = 20, *, interval: str | None = None) -> Answer[SomeRecord]:
        """The newest `count` records of a kind (tick, bar, gap, quality, …), oldest first: `history(…, last=count)`."""
        return self._loop.run(self._market.last(kind, symbol, count, interval=interval))

    def tick_pages(
        self, symbol: str, start: Time = None, end: Time = None, *, venue: str | None = None
    ) -> Iterator[list[Tick]]:
        """Stored ticks with ts_event in [start, end) as records, a page at a time, in order."""
        return pages_of(self._loop, self._market.tick_pages(symbol, start, end, venue=venue))

    def gaps(self, symbol: Names, start: Time = None, end: Time = None) -> Answer[Gap]:
        """Holes in an instrument's data that begin in [start, end): `history.gaps`."""
        return self._loop.run(self._market.gaps(symbol, start, end))

    def quality(self, symbol: Names, start: Time = None, end: Time = None) -> Answer[QualityReport]:
        """Quality reports whose window begins in [start, end): `history.quality`."""
        return self._loop.run(self._market.quality(symbol, start, end))

    def latest_tick(self, symbol: str) -> Tick | None:
        """The newest tick, published or stored; None where a known instrument has none.

        Raises:
            UnknownSymbol: no such instrument is known.
        """
        return self._loop.run(self._market.latest_tick(symbol))

    def latest_bars(self, symbol: str, interval: str) -> list[Bar]:
        """The newest closed bar at each venue, as far as one was made not long ago.

        Raises:
            UnknownSymbol: no such instrument is known.
        """
        return self._loop.run(self._market.latest_bars(symbol, interval))

    def book(self, symbol: str, at: Time = None, *, venue: str | None = None) -> Tick | None:
        """The order book as it stood at an instant (now when None): the newest tick not after it, None before any."""
        return self._loop.run(self._market.book(symbol, at, venue=venue))

    def ask(self, question: Question) -> pa.Table:
        """Answer of any question (`marketprism_client.questions`) as the Arrow table that is sent; the other methods
        are shorter.

        Times are int64 nanoseconds UTC, decimals decimal128(38, 18). At most MAX_LIMIT rows: what can be more comes a
        page at a time, `after` the last row of the one before.

        Raises:
            QueryFailed: the question is wrong, or the read side cannot answer it now. NoResponders, DeadlineExceeded,
            NotConnected (marketprism_sdk.errors): nobody answered.
        """
        return self._loop.run(self._market.ask(question))

    def monitor(self, *, timeout_s: float | None = None) -> dict[str, Any]:
        """What the monitor says of the pipeline: `behind` by stage, `problems` as texts, and what else it watches.

        Raises:
            SdkError: no monitor runs, or it does not answer within `timeout_s` (the client's own when None).
        """
        return self._loop.run(self._market.monitor(timeout_s=timeout_s))

    def statistics(
        self, symbol: Names, start: Time = None, end: Time = None, *, trading_day: TradingDay = None
    ) -> Answer[Row]:
        """Prices, volume, turnover and VWAP over the minute bars that open in [start, end), a row per venue."""
        return self._loop.run(self._market.statistics(symbol, start, end, trading_day=trading_day))

    def dominant(self, product: str) -> Answer[Row]:
        """When which contract of a product became the main one, and both closes of the day before."""
        return self._loop.run(self._market.dominant(product))

    def continuous(
        self,
        product: str,
        interval: str = "1d",
        start: Time = None,
        end: Time = None,
        *,
        adjust: str = "none",
        trading_day: TradingDay = None,
    ) -> Answer[Row]:
        """Bars of the main contracts in one line; `adjust` (none, difference, ratio) moves those before a change."""
        return self._loop.run(
            self._market.continuous(product, interval, start, end, adjust=adjust, trading_day=trading_day)
        )

    def instruments(
        self,
        text: str = "",
        *,
        venue: str = "",
        product: str = "",
        class_: str = "",
        limit: int | None = None,
        at: Time = None,
    ) -> Answer[Row]:
        """Contract terms of the instruments whose symbol, product, underlying or name holds `text`; as known `at` a
        time, or now. All of them, or the first `limit`."""
        return self._loop.run(
            self._market.instruments(text, venue=venue, product=product, class_=class_, limit=limit, at=at)
        )

    def search(self, text: str = "", *, venue: str = "", class_: str = "", limit: int = 20) -> Answer[Row]:
        """Instruments that may be meant by `text`, the likeliest first: words of symbols, products, Chinese names,
        their pinyin or its initials, English names, all of which match. Without a text what has data, the newest
        first. At most 200."""
        return self._loop.run(self._market.search(text, venue=venue, class_=class_, limit=limit))

    def products(self) -> Answer[Row]:
        """Products of the Chinese futures exchanges: venue, product, name, short, english, pinyin, and multiplier and
        price_tick of a contract that is listed now."""
        return self._loop.run(self._market.products())

    def daily(
        self, symbol: Names, start: Time = None, end: Time = None, *, trading_day: TradingDay = None
    ) -> Answer[Row]:
        """Trading days of an instrument: ticks, prices, volume, average, bars, gaps, and how complete each is."""
        return self._loop.run(self._market.daily(symbol, start, end, trading_day=trading_day))

    def symbols(self) -> Answer[Row]:
        """What is stored: symbol, venue, ticks, ts_first, ts_last, bars."""
        return self._loop.run(self._market.symbols())

    def audit(self, sources: Sequence[str]) -> Answer[Row]:
        """Stored, distinct and read-back ticks and bars per source."""
        return self._loop.run(self._market.audit(sources))
