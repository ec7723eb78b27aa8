"""Single streams that fail while everything else goes on, and instrument lists that change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.ports.sources import SourceBatch
from marketprism_services.chaos.venues.audit import VenueAudit
from tests.integration.venues.venue_side import FAST, batches, venue

pytestmark = pytest.mark.timeout(90)


def holes(seen: list[SourceBatch]) -> set[tuple[str, str]]:
    return {(gap.symbol, gap.kind) for batch in seen for _, gap in batch.gaps}


async def test_a_book_whose_stream_alone_has_ended_is_found_invalid_and_begun_again() -> None:
    """Nothing but a comparison can tell: the connection lives, and the stream may be as quiet as its market."""
    async with venue("binance") as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        ended: list[float] = []
        said: list[Any] = []

        def begun_again(found: list[SourceBatch]) -> bool:
            said.extend(message for message in found[-1].messages if getattr(message, "form", "") == "invalid")
            book = source.feed.books.find("BTC-USDT")
            if book is not None and book.valid and not ended and len(found) > 20:
                for session in server.sessions:  # the venue forgets one subscription
                    session.streams.discard("btcusdt@depth@100ms")
                ended.append(time.monotonic())
            if len(ended) == 1 and time.monotonic() > ended[0] + 0.5:
                ended.append(time.monotonic())
                source.keeper.suspect(["BTC-USDT", "ETH-USDT"])  # what is said when they are quieter than usual
            return bool(said) and book is not None and book.valid

        seen = await batches(source, begun_again, audit, seconds=40)
        assert [(message.symbol, message.cause) for message in said] == [("BTC-USDT", "stale")]
        audit.conclude()
        assert audit.wrong == []
        assert ("BTC-USDT", "orderbook") in holes(seen)


class Changing:
    """A venue whose list is read again: ETH gets other terms, SOL is listed."""

    def __init__(self, dialect: Any) -> None:
        self.reads = 0
        self._whole = dialect._listed
        self._dialect = dialect

    def listed(self, pair: Any) -> Mapping[str, Any]:
        whole = dict(self._whole(pair))
        if pair.base == self._dialect.pairs[0].base:
            self.reads += 1
        if self.reads > 1 and pair.base == "ETH":
            whole["filters"] = [dict(each, tickSize="0.5") if "tickSize" in each else each for each in whole["filters"]]
        if self.reads <= 1 and pair.base == "SOL":
            whole["status"] = "BREAK"
        return whole


async def test_terms_that_change_and_instruments_that_are_new_are_published_and_subscribed() -> None:
    row = MARKETS["binance"]
    dialect: Any = DIALECTS["binance"](("BTC", "ETH", "SOL"))
    changing = Changing(dialect)
    dialect._listed = changing.listed
    settings = VenueSettings(instruments=("*-USDT",), kinds=("trade", "orderbook"), refresh_s=0.5)
    async with SimulatedVenueServer(dialect, rate=20.0) as server:
        source = VenueSource(row.make(server.ws_url, server.rest_url), settings)
        await source.connect()
        assert [each.symbol for each in await source.instruments()] == ["BTC-USDT", "ETH-USDT"]

        def complete(found: list[SourceBatch]) -> bool:
            return any(message.symbol == "SOL-USDT" for message in found[-1].messages)

        try:
            seen = await batches(source, complete)
        finally:
            await source.close()
    changed = {each.symbol: each for batch in seen for each in batch.instruments}
    assert sorted(changed) == ["ETH-USDT", "SOL-USDT"]
    assert str(changed["ETH-USDT"].price_tick) == "0.5"


async def test_an_instrument_that_is_left_is_invalid_and_comes_back_with_its_hole_named() -> None:
    async with venue("binance", FAST) as (server, source):
        audit = VenueAudit(server)
        await source.connect()
        stages: list[str] = []
        said: list[Any] = []

        def back(found: list[SourceBatch]) -> bool:
            said.extend(message for message in found[-1].messages if message.symbol == "ETH-USDT")
            book = source.feed.books.find("ETH-USDT")
            if not stages and book is not None and book.valid:
                stages.append("left")
                leaving.append(asyncio.ensure_future(source.subscribe(["BTC-USDT"])))
            elif stages == ["left"] and leaving[0].done() and book is None and len(found) > 30:
                stages.append("wanted")
                assert said[-1].form == "invalid"
                leaving.append(asyncio.ensure_future(source.subscribe(["BTC-USDT", "ETH-USDT"])))
            return len(stages) == 2 and book is not None and book.valid

        leaving: list[asyncio.Future[tuple[int, int]]] = []
        seen = await batches(source, back, audit, seconds=30)
        assert [await each for each in leaving] == [(0, 1), (1, 0)]
        assert ("ETH-USDT", "orderbook") in holes(seen)


async def test_a_book_whose_stream_never_began_is_subscribed_anew() -> None:
    """Its subscription was confirmed. Nothing is known of it, so nothing can be lost: it has to be asked for all the
    same."""
    async with venue("okx") as (server, source):
        await source.connect()
        stages: list[str] = []

        def begun(found: list[SourceBatch]) -> bool:
            books = source.feed.books
            if not stages:
                for session in server.sessions:
                    if "books:ETH-USDT" in session.streams:
                        session.streams.discard("books:ETH-USDT")  # the venue forgets one subscription
                        stages.append("forgotten")
            elif stages == ["forgotten"] and len(found) > 20:
                books.leave(["ETH-USDT"])  # what came of it before is forgotten here
                books.welcome(["ETH-USDT"])
                assert books.find("ETH-USDT") is None
                source.keeper.suspect(["ETH-USDT"])  # what is said when a stream has brought nothing for a minute
                stages.append("suspected")
            book = books.find("ETH-USDT")
            return len(stages) == 2 and book is not None and book.valid

        await batches(source, begun, seconds=40)
