"""MarketClient: live ticks and bars, and queries, over one NATS connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import msgspec

from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import BAR, KINDS, ORDERBOOK, TICK, TRADE, VENUE_KINDS, DataKind
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
    Question,
    Records,
    Statistics,
    Symbols,
    decode_answer,
    encode_question,
    key_of,
    next_of,
)
from marketprism_application.contracts.rows import plain_rows
from marketprism_application.contracts.subjects import escape, tick_subject
from marketprism_application.contracts.times import parse_time
from marketprism_client._books import book_now, joined
from marketprism_client._failures import QueryFailed, query_failures
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.orderbook import OrderBook
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.marketdata.trade import Trade
from marketprism_domain.values import BookLevel, Interval
from marketprism_sdk.lazy import loaded
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection

if TYPE_CHECKING:
    import pyarrow as pa

Time = str | int | date | datetime | None
_BUFFER = 10_000
_PAGE = 5_000


def tick_of(row: dict[str, Any]) -> Tick:
    """A stored tick as the record that it was."""
    sides = {
        name: tuple(BookLevel(level["price"], level["quantity"]) for level in row[name]) for name in ("bids", "asks")
    }
    return Tick(**{**row, **sides, "warnings": tuple(row["warnings"])})


class MarketClient:
    """`async with MarketClient(url) as market: …`

    `prefix` listens to a replay instead of the market: the subjects of `marketprism replay --prefix`.
    `dropped` counts live messages that a slow reader lost (its buffer holds 10 000); `malformed` those that were no
    message of their kind.

    Raises:
        NotConnected, NoResponders, DeadlineExceeded (marketprism_sdk.errors), QueryFailed.
    """

    def __init__(self, url: str = "nats://127.0.0.1:4222", *, timeout_s: float = 30.0, prefix: str = "") -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._prefix = f"{prefix}." if prefix else ""
        self._connection: NatsConnection | None = None
        self.dropped = 0
        self.malformed: int = 0

    async def __aenter__(self) -> Self:
        self._connection = await NatsConnection.open(self._url, name="marketprism-client")
        self._calls = RpcClient(NatsBus(self._connection))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    # -- live --------------------------------------------------------------------------------------------------------

    def ticks(self, symbol: str) -> AsyncIterator[Tick]:
        """Ticks of an instrument from now on, at every venue that trades it."""
        return cast("AsyncIterator[Tick]", self._live(TICK, tick_subject(symbol)))

    def bars_live(self, symbol: str, interval: str) -> AsyncIterator[Bar]:
        """Bars as they close, revisions included; `*` for every interval.

        Raises:
            QueryFailed: no such interval.
        """
        if interval != "*":
            with query_failures():
                interval = str(Interval.parse(interval))
        return cast("AsyncIterator[Bar]", self._live(BAR, f"market.bar.{interval}.{escape(symbol)}"))

    def live(self, kind: str, symbol: str, *, venue: str = "*", interval: str = "*") -> AsyncIterator[Any]:
        """Records of a kind that venues send by themselves, from now on: `trade`, `orderbook`, `book_top`, `kline`,
        `ticker`, `funding_rate`, `open_interest`, `liquidation`, `mark_price`.

        Raises:
            QueryFailed: no such kind.
        """
        found = KINDS.get(kind)
        if found not in VENUE_KINDS:
            names = ", ".join(each.name for each in VENUE_KINDS)
            raise QueryFailed(Code.INVALID_PARAMETER, f"kind: expected one of {names}, was {kind!r}")
        assert found is not None  # noqa: S101 (it is one of them)
        venue, interval = (part if part == "*" else escape(part) for part in (venue, interval))
        return self._live(found, found.subject.format(symbol=escape(symbol), venue=venue, interval=interval))

    def trades(self, symbol: str, *, venue: str = "*") -> AsyncIterator[Trade]:
        """Trades of an instrument from now on."""
        return cast("AsyncIterator[Trade]", self.live(TRADE.name, symbol, venue=venue))

    def books(self, symbol: str, *, venue: str = "*") -> AsyncIterator[OrderBook]:
        """An instrument's book from now on: a snapshot replaces it, an update changes it, `invalid` takes it away.

        Begins with the book as it stands, which the read service is asked for; `live("orderbook", …)` asks nobody.
        Where no gateway keeps it (a replay), with the next step that comes.
        """
        steps = cast("AsyncGenerator[OrderBook, None]", self.live(ORDERBOOK.name, symbol, venue=venue))
        return steps if self._prefix else joined(steps, lambda of: book_now(self._calls, of, symbol))

    async def _live(self, kind: DataKind, subject: str) -> AsyncIterator[Any]:
        waiting: deque[bytes] = deque(maxlen=_BUFFER)
        arrived = asyncio.Event()

        def receive(message: Any) -> None:
            self.dropped += len(waiting) == _BUFFER
            waiting.append(message.data)
            arrived.set()

        stop = await self._connected().subscribe(f"{self._prefix}{subject}", receive)
        try:
            while True:
                while waiting:
                    try:
                        yield decode(kind, waiting.popleft())
                    except ContractError:
                        self.malformed += 1
                arrived.clear()
                await arrived.wait()
        finally:
            await stop()

    def _connected(self) -> NatsConnection:
        if self._connection is None:
            raise RuntimeError("MarketClient: expected `async with MarketClient(url) as market`")
        return self._connection

    # -- queries -----------------------------------------------------------------------------------------------------

    async def ask(self, question: Question) -> pa.Table:
        """Answer of any question (`marketprism_client.questions`) as an Arrow table; the methods below are shorter.

        Times are int64 nanoseconds UTC, decimals decimal128(38, 18). At most MAX_LIMIT rows: what can be more comes a
        page at a time, `after` the last row of the one before.

        Raises:
            QueryFailed: the question is wrong, or the read side cannot answer it now. NoResponders, DeadlineExceeded,
            NotConnected (marketprism_sdk.errors): nobody answered.
        """
        self._connected()
        await loaded("pyarrow")
        with query_failures():
            data = await self._calls.call_raw(
                "query", "arrow", encode_question(question), timeout_s=self._timeout_s, idempotent=True
            )
            return decode_answer(data)

    async def monitor(self, *, timeout_s: float | None = None) -> dict[str, Any]:
        """What the monitor says of the pipeline: `behind` by stage, `problems` as texts, and what else it watches.

        Raises:
            SdkError: no monitor runs, or it does not answer within `timeout_s` (the client's own when None).
        """
        found: dict[str, Any] = await self._calls.call("monitor", "status", timeout_s=timeout_s or self._timeout_s)
        return found

    async def bars(
        self, symbol: str, interval: str, start: Time = None, end: Time = None, *, venue: str | None = None
    ) -> pa.Table:
        """Closed bars with ts_open in [start, end), each in its last revision; `gap` says what is missing."""
        return await self._range(BAR, symbol, start, end, venue, interval)

    async def ticks_between(
        self, symbol: str, start: Time = None, end: Time = None, *, venue: str | None = None
    ) -> pa.Table:
        """Stored ticks with ts_event in [start, end)."""
        return await self._range(TICK, symbol, start, end, venue, None)

    async def records(
        self,
        kind: str,
        symbol: str,
        start: Time = None,
        end: Time = None,
        *,
        venue: str | None = None,
        interval: str | None = None,
    ) -> pa.Table:
        """Stored records of any kind with their time in [start, end); klines need an interval."""
        found = KINDS.get(kind)
        if found is None:
            raise QueryFailed(Code.INVALID_PARAMETER, f"kind: expected one of {', '.join(KINDS)}, was {kind!r}")
        return await self._range(found, symbol, start, end, venue, interval)

    async def tick_pages(
        self, symbol: str, start: Time = None, end: Time = None, *, venue: str | None = None
    ) -> AsyncIterator[list[Tick]]:
        """Stored ticks with ts_event in [start, end) as records, a page at a time, in order."""
        async for page in self._pages(TICK, symbol, start, end, venue, None):
            yield [tick_of(row) for row in plain_rows(page)]

    async def last(self, kind: str, symbol: str, count: int = 20, *, interval: str | None = None) -> pa.Table:
        """The newest `count` records of a kind (tick, bar, gap, quality, event), oldest first."""
        question = Records(kind, symbol, interval=interval, limit=count, last=True)
        return await self.ask(question)

    async def latest_tick(self, symbol: str) -> Tick | None:
        """The newest tick, None when there is none."""
        with query_failures():
            found = await self._calls.call("query", "latest_tick", symbol, timeout_s=self._timeout_s, idempotent=True)
        return None if found is None else cast("Tick", decode(TICK, found))

    async def latest_bars(self, symbol: str, interval: str) -> list[Bar]:
        """The newest closed bar at each venue, as far as one was made not long ago."""
        with query_failures():
            found = await self._calls.call(
                "query", "latest_bars", LatestBars(symbol, interval), timeout_s=self._timeout_s, idempotent=True
            )
        return [decode(BAR, message) for message in found]

    async def book(self, symbol: str, at: Time = None, *, venue: str | None = None) -> Tick | None:
        """The order book as it stood at an instant (now when None): the newest tick not after it, None before any."""
        question = Book(symbol, venue, self._time(at, "at"))
        rows = plain_rows(await self.ask(question))
        return tick_of(rows[0]) if rows else None

    async def statistics(self, symbol: str, start: Time = None, end: Time = None) -> pa.Table:
        """Prices, volume, turnover and VWAP over the minute bars that open in [start, end), a row per venue."""
        ts_from, ts_to = self._time(start, "start"), self._time(end, "end")
        return await self.ask(Statistics(symbol, ts_from, ts_to))

    async def dominant(self, product: str) -> pa.Table:
        """When which contract of a product became the main one, and both closes of the day before."""
        return await self.ask(Dominant(product))

    async def continuous(
        self, product: str, interval: str = "1d", start: Time = None, end: Time = None, *, adjust: str = "none"
    ) -> pa.Table:
        """Bars of the main contracts in one line; `adjust` (none, difference, ratio) moves those before a change."""
        ts_from, ts_to = self._time(start, "start"), self._time(end, "end")
        question = Continuous(product, None, ts_from, ts_to, interval, MAX_LIMIT, adjust=adjust)
        return await self.ask(question)

    async def instruments(
        self, text: str = "", *, venue: str = "", product: str = "", class_: str = "", limit: int = 100, at: Time = None
    ) -> pa.Table:
        """Contract terms of the instruments whose symbol, product, underlying or name holds `text`; as known `at` a
        time, or now."""
        search = InstrumentSearch(text, venue, product, class_, limit, self._time(at, "at") or 0)
        return await self.ask(Instruments(search))

    @staticmethod
    def _time(value: Time, name: str) -> int | None:
        try:
            return parse_time(value, name)
        except ValueError as error:
            raise QueryFailed(Code.INVALID_PARAMETER, str(error)) from error

    async def gaps(self, symbol: str, start: Time = None, end: Time = None) -> pa.Table:
        """Holes in an instrument's data that begin in [start, end)."""
        return await self._range(KINDS["gap"], symbol, start, end, None, None)

    async def quality(self, symbol: str, start: Time = None, end: Time = None) -> pa.Table:
        """Quality reports whose window begins in [start, end)."""
        return await self._range(KINDS["quality"], symbol, start, end, None, None)

    async def daily(self, symbol: str, start: Time = None, end: Time = None) -> pa.Table:
        """Trading days of an instrument: ticks, prices, volume, average, bars, gaps, and how complete each is."""
        ts_from, ts_to = self._time(start, "start"), self._time(end, "end")
        return await self.ask(Daily(symbol, ts_from, ts_to))

    async def symbols(self) -> pa.Table:
        """What is stored: symbol, venue, ticks, ts_first, ts_last, bars."""
        return await self.ask(Symbols())

    async def audit(self, sources: Sequence[str]) -> pa.Table:
        """Stored, distinct and read-back ticks and bars per source."""
        return await self.ask(Audit(tuple(sources)))

    async def _range(
        self, kind: DataKind, symbol: str, start: Time, end: Time, venue: str | None, interval: str | None
    ) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        pages = [page async for page in self._pages(kind, symbol, start, end, venue, interval)]
        whole = pa.concat_tables([page for page in pages if page.num_rows] or pages[:1])
        return whole.replace_schema_metadata(None)  # what said that a page is not the last

    async def _pages(
        self, kind: DataKind, symbol: str, start: Time, end: Time, venue: str | None, interval: str | None
    ) -> AsyncIterator[pa.Table]:
        ts_from, ts_to = self._time(start, "start"), self._time(end, "end")
        question = Records(kind.name, symbol, venue, ts_from, ts_to, interval, min(_PAGE, MAX_LIMIT))
        while True:
            page = await self.ask(question)
            yield page
            key = next_of(page)
            if key is None and page.num_rows >= question.limit:
                key = key_of(kind, page)  # of a read side that does not say whether there is more
            if key is None:
                return
            question = msgspec.structs.replace(question, after=key)
