"""Trades that did not come are fetched, in order, before anybody is told that they are missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from marketprism_adapters.venues.binance.simulate import BinanceDialect
from marketprism_adapters.venues.deribit.simulate import DeribitDialect
from marketprism_adapters.venues.kit.dialect import Dialect, Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedPair, SimulatedTrade
from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.faults import Fault
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.contracts.kinds import LIQUIDATION, TRADE
from marketprism_application.contracts.venue_messages import Message, TradeMessage, kind_of
from marketprism_application.ports.sources import ResumePoint
from marketprism_domain.marketdata.gap import MISSING_TRADES, Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.resilience import Backoff

pytestmark = pytest.mark.timeout(120)
FAST = VenueSettings(kinds=("trade",), silent_s=0.8)


class Delivered:
    """What a source handed on, by instrument."""

    def __init__(self) -> None:
        self.trades: dict[str, list[int]] = {}
        self.ticks: dict[str, list[Tick]] = {}
        self.gaps: list[Gap] = []
        self.liquidations: list[Message] = []

    async def take(self, source: VenueSource, seconds: float) -> None:
        """Until so much time has passed and no hole is open."""
        until = time.monotonic() + seconds
        stream = source.stream({})
        async for batch in stream:
            for message in batch.messages:
                if kind_of(message) is TRADE:
                    self.trades.setdefault(message.symbol, []).append(message.seq)
                elif kind_of(message) is LIQUIDATION:
                    self.liquidations.append(message)
            for tick in batch.ticks:
                if tick.traded:
                    self.ticks.setdefault(tick.symbol, []).append(tick)
            self.gaps += [gap for _, gap in batch.gaps]
            if time.monotonic() > until and not source.feed.holes():
                break
        await stream.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def venue(
    market: str, faults: list[Fault], dialect: Dialect | None = None, hold_s: float = 5.0
) -> AsyncIterator[tuple[SimulatedVenueServer, VenueSource]]:
    row = MARKETS[market]
    given = {"rate": 40.0, "levels": 20, "trades_per_step": 2.0, "quotes": False}
    async with SimulatedVenueServer(dialect or DIALECTS[market](("BTC", "ETH")), **given) as server:  # type: ignore[arg-type]
        settings = replace(FAST, instruments=tuple(server.books), hold_s=hold_s)
        source = VenueSource(row.make(server.ws_url, server.rest_url), settings, backoff=Backoff(0.05, 0.3))
        await source.connect()
        injecting = asyncio.ensure_future(_inject(server, faults))
        try:
            yield server, source
            assert injecting.done()
        finally:
            injecting.cancel()
            await source.close()


async def _inject(server: SimulatedVenueServer, faults: list[Fault]) -> None:
    started = time.monotonic()
    for fault in faults:
        await asyncio.sleep(max(0.0, started + fault.at_s - time.monotonic()))
        server.do(fault)


@pytest.mark.parametrize("market", ["binance", "binance-usdm", "binance-coinm", "okx", "deribit"])
@pytest.mark.long_on("coinm")
async def test_no_trade_is_missing_after_a_gap_and_a_broken_connection(market: str) -> None:
    faults = [
        Fault(0.4, "trade_gap", 7),
        Fault(0.9, "abort", 1),
        Fault(1.4, "trade_gap", 30),
        Fault(1.5, "rate_limit", 1),
    ]
    async with venue(market, faults) as (server, source):
        found = Delivered()
        await found.take(source, 3.0)
        assert found.gaps == []
        assert source.refill.filled >= 30
        for symbol in server.books:
            told = found.trades[symbol]
            assert told == list(range(told[0], told[-1] + 1))
            assert len(told) > 100
            assert [tick.source_seq for tick in found.ticks[symbol]] == told
            assert source.refill.given_up == 0


class Liquidating(DeribitDialect):
    """Each of its trades is a liquidation."""

    @staticmethod
    def _trade_row(pair: SimulatedPair, made: SimulatedTrade) -> str:
        return DeribitDialect._trade_row(pair, made).replace('"index_price"', '"liquidation":"T","index_price"')


async def test_what_is_derived_of_a_missing_trade_is_not_lost_either() -> None:
    async with venue("deribit", [Fault(0.4, "trade_gap", 7)], Liquidating(("BTC",))) as (_, source):
        found = Delivered()
        await found.take(source, 1.5)
        assert source.refill.filled == 7
        assert sorted(message.seq // 2 for message in found.liquidations) == found.trades["BTC-USD-PERP"]


class Forgetful(BinanceDialect):
    """Has no history of trades."""

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        return Reply(200, []) if path.endswith("aggTrades") else super().get(path, query, books, old=old)


class Strict(BinanceDialect):
    """Refuses to tell it."""

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        if path.endswith("aggTrades"):
            return Reply(400, {"code": -1100, "msg": "Illegal characters found in parameter."})
        return super().get(path, query, books, old=old)


class Away(BinanceDialect):
    """Does not answer such questions."""

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        return Reply(503, {}) if path.endswith("aggTrades") else super().get(path, query, books, old=old)


@pytest.mark.parametrize("dialect", [Forgetful, Strict, Away])
async def test_what_the_venue_does_not_bring_is_named_and_the_trades_behind_it_go_on(
    dialect: type[BinanceDialect],
) -> None:
    async with venue("binance", [Fault(0.4, "trade_gap", 5)], dialect("spot"), hold_s=1.0) as (server, source):
        found = Delivered()
        await found.take(source, 3.0)
        assert {gap.cause for gap in found.gaps} == {MISSING_TRADES}
        missing = 0
        for symbol, book in server.books.items():
            told = found.trades[symbol]
            gaps = [gap for gap in found.gaps if gap.symbol == symbol]
            for made in book.prints:
                if told[0] < made.trade_id < told[-1] and made.trade_id not in told:
                    missing += 1
                    assert any(gap.ts_from <= made.ts_ms * 1_000_000 <= gap.ts_to for gap in gaps)
        assert missing == 5
        assert source.refill.filled == 0
        assert (source.refill.given_up > 0) is (dialect is not Away)


async def test_a_venue_whose_numbers_jump_for_no_reason_is_soon_waited_for_no_longer() -> None:
    faults = [Fault(0.3 * n, "trade_gap", 1) for n in range(1, 9)]
    async with venue("binance", faults, Forgetful("spot", ("BTC",))) as (_, source):
        found = Delivered()
        await found.take(source, 6.0)
        assert len(found.gaps) == 8
        assert source.refill.given_up == 8


async def test_a_hole_that_is_too_large_is_named_at_once() -> None:
    async with venue("binance", [Fault(0.4, "trade_gap", 40)]) as (_, source):
        source.refill.most = 10
        found = Delivered()
        await found.take(source, 2.0)
        assert {gap.cause for gap in found.gaps} == {MISSING_TRADES}
        assert source.refill.filled == 0


def _trade(server: SimulatedVenueServer, source: VenueSource, symbol: str, number: int) -> Any:
    """A trade that the venue made, as a message of it."""
    made = server.books[symbol].prints[number]
    ts = made.ts_ms * 1_000_000
    return TradeMessage(
        1,
        source.venue.name,
        symbol,
        source.source,
        1,
        made.trade_id,
        ts,
        ts,
        ts,
        str(made.trade_id),
        made.price,
        made.quantity,
        "sell" if made.sell else "buy",
    )


@pytest.mark.parametrize("market", ["binance", "okx", "deribit"])
async def test_a_source_goes_on_where_another_reader_left_off(market: str) -> None:
    async with venue(market, []) as (server, source):
        while any(len(book.prints) < 20 for book in server.books.values()):
            await asyncio.sleep(0.05)
        symbol, *others = server.books
        recent = [_trade(server, source, symbol, number) for number in range(4)]
        source.resume(ResumePoint(time.time_ns() - 10**9, {symbol: recent[-1]}, {}, recent))
        found = Delivered()
        await found.take(source, 1.5)
        told = found.trades[symbol]
        assert told == list(range(recent[-1].seq + 1, told[-1] + 1))
        assert [tick.source_seq for tick in found.ticks[symbol]] == [trade.seq for trade in recent] + told
        # Of the others nobody knows where they stood.
        assert {(gap.symbol, gap.cause) for gap in found.gaps} == {(each, "interrupted") for each in others}


async def test_where_trades_cannot_be_fetched_the_time_between_two_readers_is_a_gap() -> None:
    async with venue("bybit", []) as (server, source):
        while any(not book.prints for book in server.books.values()):
            await asyncio.sleep(0.05)
        last = {symbol: _trade(server, source, symbol, 0) for symbol in server.books}
        source.resume(ResumePoint(time.time_ns() - 10**9, last))
        found = Delivered()
        await found.take(source, 1.0)
        assert {(gap.symbol, gap.ts_from) for gap in found.gaps} == {(key, each.ts_event) for key, each in last.items()}
