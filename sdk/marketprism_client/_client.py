"""MarketClient: live data and stored data, over NATS or through the API gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec

from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.plain_table import Table
from marketprism_application.contracts.questions import (
    MAX_LIMIT,
    Audit,
    Book,
    Continuous,
    Daily,
    Dominant,
    Instruments,
    InstrumentSearch,
    LatestBars,
    Products,
    Question,
    Search,
    Statistics,
    Symbols,
    next_of,
)
from marketprism_application.contracts.replays import ReplayPosition, decode_position, position_subject
from marketprism_client._answer import Answer, Row, as_row
from marketprism_client._backtests import Backtests
from marketprism_client._data import Data
from marketprism_client._fields import Fields
from marketprism_client._history import History, Names, TradingDay, days_of
from marketprism_client._libraries import needs
from marketprism_client._line import Message
from marketprism_client._live import Live
from marketprism_client._names import Directory, names_of
from marketprism_client._orders import Orders
from marketprism_client._records import SomeRecord, record_of
from marketprism_client._session import Session
from marketprism_client._stream import LiveStream
from marketprism_client._tables import in_arrow, together
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


class MarketClient:
    """`async with MarketClient(url) as market: …`; in a notebook or a script without a loop, `SyncMarketClient`.

    `market.live.<kind>(…)` is what comes, `market.history.<kind>(…)` what is stored, under the same names (`ticks bars
    trades books klines …`). The shortcuts `ticks trades books` are live, `bars` is stored, `latest_tick` either.

    `url` is NATS' (`nats://`, `tls://`) inside, the API gateway's (`https://`) outside, with an API `key` and, for a
    certificate of one's own authority, its file as `ca`: the methods and their answers are the same. A replay is
    listened to over NATS only. `access` says who the client is to NATS, where the URL does not.

    `tz` is the zone of the client, China's unless another is given: times without a zone are in it, and the times of a
    DataFrame are shown in it. `prefix` listens to a replay instead of the market: the subjects of
    `marketprism replay --prefix`; what listens ends with it. `dropped` counts live messages that a slow reader lost
    (its buffer holds 10 000; a replay waits for its listeners), `malformed` those that were no message of their kind.

    Raises:
        NotConnected, NoResponders, DeadlineExceeded (marketprism_sdk.errors), QueryFailed.
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
        self._session = Session(url, timeout_s, prefix, tz, key, ca, access)
        self._directory = Directory(self._session)
        self._history = History(self._session)
        self._live = Live(self._session)
        self._orders = Orders(self._session)
        self._data = Data(self._session)
        self._backtests = Backtests(self._session)
        self._position: ReplayPosition | None = None

    async def __aenter__(self) -> Self:
        await self._session.open()
        if self._session.prefix:
            await self._session.subscribe(position_subject(self._session.prefix), self._note_position)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def _note_position(self, message: Message) -> None:
        try:
            self._position = decode_position(message.data)
        except ValueError:
            self._session.malformed += 1

    @property
    def dropped(self) -> int:
        """Live messages that a slow reader lost."""
        return self._session.dropped

    @property
    def malformed(self) -> int:
        """Live messages that were no message of their kind."""
        return self._session.malformed

    @property
    def prefix(self) -> str:
        """First tokens of the subjects of a replay; empty where the market is listened to."""
        return self._session.prefix

    @property
    def position(self) -> ReplayPosition | None:
        """Where the replay of `prefix` is: `ts` nanoseconds UTC, `sent` by kind, `ended`; None while it is silent."""
        return self._position

    @property
    def live(self) -> Live:
        """What comes, from now on: `ticks bars gaps quality`, and what venues send by themselves: `trade`, `orderbook`,
        `book_top`, `kline`, `ticker`, `funding_rate`, `open_interest`, `liquidation`, `mark_price`, each as a method in
        the plural (`trades books book_tops klines tickers …`), or by its name: `market.live("ticker", "BTC-USDT")`."""
        return self._live

    @property
    def history(self) -> History:
        """What is stored, by the same names: `market.history.ticks(…)`, `market.history("ticker", "BTC-USDT")`."""
        return self._history

    @property
    def backtests(self) -> Backtests:
        """Strategies run over stored rows: `backtests.run("package.module:Class", "ru1901", interval="1m")`."""
        return self._backtests

    @property
    def orders(self) -> Orders:
        """What an order costs and may be, before it is sent: `orders.calculate(venue=…, symbol=…, side=…, …)`."""
        return self._orders

    @property
    def data(self) -> Data:
        """Downloads, checks, repairs, imports and exports, as jobs: `await data.check("ru1901")`."""
        return self._data

    # -- shortcuts ---------------------------------------------------------------------------------------------------

    def ticks(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[Tick]:
        """Ticks from now on, at every venue: `live.ticks`."""
        return self._live.ticks(symbol, venue=venue, wait=wait)

    def trades(self, symbol: Names, *, venue: str = "*", wait: bool = False) -> LiveStream[Trade]:
        """Trades from now on: `live.trades`."""
        return self._live.trades(symbol, venue=venue, wait=wait)

    def books(self, symbol: str, *, venue: str = "*", wait: bool = False) -> LiveStream[OrderBook]:
        """A book from now on, which begins as it stands: `live.books`."""
        return self._live.books(symbol, venue=venue, wait=wait)

    def bars_live(self, symbol: Names, interval: str) -> LiveStream[Bar]:
        """Bars as they close; the older name of `live.bars`."""
        return self._live.bars(symbol, interval)

    async def bars(
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
        return await self._history.bars(
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

    async def ticks_between(
        self, symbol: Names, start: Time = None, end: Time = None, *, venue: str | None = None
    ) -> Answer[Tick]:
        """Stored ticks with ts_event in [start, end); the older name of `history.ticks`."""
        return await self._history.ticks(symbol, start, end, venue=venue)

    async def records(
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
        return await self._history(kind, symbol, start, end, venue=venue, interval=interval)

    async def last(
        self, kind: str, symbol: Names, count: int = 20, *, interval: str | None = None
    ) -> Answer[SomeRecord]:
        """The newest `count` records of a kind (tick, bar, gap, quality, …), oldest first: `history(…, last=count)`."""
        return await self._history(kind, symbol, interval=interval, last=count)

    async def tick_pages(
        self, symbol: str, start: Time = None, end: Time = None, *, venue: str | None = None
    ) -> AsyncIterator[list[Tick]]:
        """Stored ticks with ts_event in [start, end) as records, a page at a time, in order."""
        async for page in self._history.pages(TICK.name, symbol, start, end, venue=venue):
            yield list(page)

    async def gaps(self, symbol: Names, start: Time = None, end: Time = None) -> Answer[Gap]:
        """Holes in an instrument's data that begin in [start, end): `history.gaps`."""
        return await self._history.gaps(symbol, start, end)

    async def quality(self, symbol: Names, start: Time = None, end: Time = None) -> Answer[QualityReport]:
        """Quality reports whose window begins in [start, end): `history.quality`."""
        return await self._history.quality(symbol, start, end)

    # -- the newest --------------------------------------------------------------------------------------------------

    async def latest_tick(self, symbol: str) -> Tick | None:
        """The newest tick, published or stored; None where a known instrument has none.

        Raises:
            UnknownSymbol: no such instrument is known.
        """
        found = await self._session.call("latest_tick", symbol)
        if found is not None:
            return cast("Tick", decode(TICK, cast("bytes", found)))
        row = await self._directory.newest(TICK, symbol)
        return None if row is None else cast("Tick", record_of(TICK, row))

    async def latest_bars(self, symbol: str, interval: str) -> list[Bar]:
        """The newest closed bar at each venue, as far as one was made not long ago.

        Raises:
            UnknownSymbol: no such instrument is known.
        """
        found = await self._session.call("latest_bars", LatestBars(symbol, interval))
        if not found:
            await self._directory.newest(TICK, symbol)
        return [decode(BAR, message) for message in cast("list[bytes]", found)]

    async def book(self, symbol: str, at: Time = None, *, venue: str | None = None) -> Tick | None:
        """The order book as it stood at an instant (now when None): the newest tick not after it, None before any."""
        question = Book(symbol, venue, self._session.time(at, "at"))
        rows = (await self._session.ask(question)).to_pylist()
        return cast("Tick", record_of(TICK, rows[0])) if rows else None

    # -- questions ---------------------------------------------------------------------------------------------------

    async def ask(self, question: Question) -> pa.Table:
        """Answer of any question (`marketprism_client.questions`) as the Arrow table that is sent; the other methods
        are shorter.

        Times are int64 nanoseconds UTC, decimals decimal128(38, 18). At most MAX_LIMIT rows: what can be more comes a
        page at a time, `after` the last row of the one before.

        Raises:
            QueryFailed: the question is wrong, or the read side cannot answer it now. NoResponders, DeadlineExceeded,
            NotConnected (marketprism_sdk.errors): nobody answered. ModuleNotFoundError: pyarrow is not installed.
        """
        needs("pyarrow")
        return in_arrow(await self._session.ask(question))

    async def monitor(self, *, timeout_s: float | None = None) -> dict[str, Any]:
        """What the monitor says of the pipeline: `behind` by stage, `problems` as texts, and what else it watches.

        Raises:
            SdkError: no monitor runs, or it does not answer within `timeout_s` (the client's own when None).
        """
        wait_s = timeout_s or self._session.timeout_s
        found = await self._session.line.call("monitor", "status", None, timeout_s=wait_s)
        return cast("dict[str, Any]", found)

    async def statistics(
        self, symbol: Names, start: Time = None, end: Time = None, *, trading_day: TradingDay = None
    ) -> Answer[Row]:
        """Prices, volume, turnover and VWAP over the minute bars that open in [start, end), a row per venue."""
        (ts_from, ts_to), days = self._session.span(start, end), days_of(trading_day)
        return await self._of_each(symbol, lambda name: Statistics(name, ts_from, ts_to, *days))

    async def dominant(self, product: str) -> Answer[Row]:
        """When which contract of a product became the main one, and both closes of the day before."""
        return self._rows(await self._session.ask(Dominant(product)))

    async def continuous(
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
        ts_from, ts_to = self._session.span(start, end)
        from_day, to_day = days_of(trading_day)
        question = Continuous(
            product, None, ts_from, ts_to, interval, MAX_LIMIT, adjust=adjust, from_day=from_day, to_day=to_day
        )
        return self._rows(await self._whole(question), BAR.time_field)

    async def instruments(
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
        most = MAX_LIMIT if limit is None else limit
        question = Instruments(InstrumentSearch(text, venue, product, class_, most, self._session.time(at, "at") or 0))
        return self._rows(await (self._whole(question) if limit is None else self._session.ask(question)))

    async def search(self, text: str = "", *, venue: str = "", class_: str = "", limit: int = 20) -> Answer[Row]:
        """Instruments that may be meant by `text`, the likeliest first: words of symbols, products, Chinese names,
        their pinyin or its initials, English names, all of which match. Without a text what has data, the newest
        first. At most 200."""
        return self._rows(await self._session.ask(Search(text, venue, class_, limit)))

    async def products(self) -> Answer[Row]:
        """Products of the Chinese futures exchanges: venue, product, name, short, english, pinyin, and multiplier and
        price_tick of a contract that is listed now."""
        return self._rows(await self._session.ask(Products()))

    async def daily(
        self, symbol: Names, start: Time = None, end: Time = None, *, trading_day: TradingDay = None
    ) -> Answer[Row]:
        """Trading days of an instrument: ticks, prices, volume, average, bars, gaps, and how complete each is."""
        (ts_from, ts_to), days = self._session.span(start, end), days_of(trading_day)
        return await self._of_each(symbol, lambda name: Daily(name, ts_from, ts_to, *days))

    async def symbols(self) -> Answer[Row]:
        """What is stored: symbol, venue, ticks, ts_first, ts_last, bars."""
        return self._rows(await self._session.ask(Symbols()))

    async def audit(self, sources: Sequence[str]) -> Answer[Row]:
        """Stored, distinct and read-back ticks and bars per source."""
        return self._rows(await self._session.ask(Audit(tuple(sources))))

    async def _whole(self, question: Continuous | Instruments) -> Table:
        """Every page of an answer that may be longer than one."""
        pages = [await self._session.ask(question)]
        while (after := next_of(pages[-1])) is not None:
            pages.append(await self._session.ask(msgspec.structs.replace(question, after=after)))
        return together(pages)

    async def _of_each(self, symbol: Names, question: Callable[[str], Daily | Statistics]) -> Answer[Row]:
        """The answers about each instrument, one below the other."""
        names = await self._directory.matching(names_of(symbol))
        return self._rows(together([await self._session.ask(question(name)) for name in names]))

    def _rows(self, table: Table, time_field: str | None = None) -> Answer[Row]:
        return Answer(table, as_row, time_field=time_field, tz=self._session.tz)
