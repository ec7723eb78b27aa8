"""Live data by name: several, patterns, and a word about names that nobody has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from marketprism_adapters.nats.streams import LATEST_TICKS
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, TICK, TRADE, DataKind
from marketprism_application.contracts.subjects import subject_of
from marketprism_client import MarketClient, QueryFailed, UnknownSymbol, UnknownVenue
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.contract.test_codec import SAMPLES
from tests.integration.query.read_side import COUNT, OPENED, Serve, bar, filled, serve

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]

TICKS = {
    (venue, symbol): SAMPLES["tick"]._replace(venue=venue, symbol=symbol)
    for venue, symbol in (("shfe", "ru1901"), ("shfe", "rb1901"), ("sim", "ru1901"), ("shfe", "ru1905"))
}


async def publish(connection: NatsConnection, kind: DataKind, record: object) -> None:
    await connection.publish(subject_of(kind, record), encode(kind, record))


@pytest.fixture
async def sent(connection: NatsConnection) -> AsyncIterator[NatsConnection]:
    """A connection on which all the ticks, a bar and a trade are published over and over."""

    async def go() -> None:
        while True:
            for record in TICKS.values():
                await publish(connection, TICK, record)
            await publish(connection, BAR, bar(1))
            await publish(connection, TRADE, SAMPLES["trade"]._replace(venue="okx", symbol="BTC-USDT"))
            await asyncio.sleep(0.01)

    running = asyncio.create_task(go())
    yield connection
    running.cancel()


@pytest.mark.parametrize(
    ("names", "venue", "wanted"),
    [
        ("ru1901", "*", {("shfe", "ru1901"), ("sim", "ru1901")}),
        ("ru1901", "shfe", {("shfe", "ru1901")}),
        ("ru1905, rb1901", "*", {("shfe", "ru1905"), ("shfe", "rb1901")}),
        (["ru1905", "rb1901"], "*", {("shfe", "ru1905"), ("shfe", "rb1901")}),
        ("ru*", "*", {("shfe", "ru1901"), ("sim", "ru1901"), ("shfe", "ru1905")}),
        (["ru190[56]", "rb1901"], "shfe", {("shfe", "ru1905"), ("shfe", "rb1901")}),
        ("*", "sim", {("sim", "ru1901")}),
        ("SHF.ru190[1]", "*", {("shfe", "ru1901")}),
        ("ru*.shfe", "*", {("shfe", "ru1901"), ("shfe", "ru1905")}),
    ],
)
async def test_several_names_and_patterns(
    sent: NatsConnection, names: str | list[str], venue: str, wanted: set[tuple[str, str]]
) -> None:
    seen: set[tuple[str, str]] = set()
    async with asyncio.timeout(20), MarketClient(str(sent.url.reveal())) as market:
        count = 0
        async for tick in market.ticks(names, venue=venue):
            seen.add((tick.venue, tick.symbol))
            count += 1
            if count == 40:
                break
    assert seen == wanted


async def test_every_kind_by_its_method_and_by_its_name(sent: NatsConnection) -> None:
    async with asyncio.timeout(20), MarketClient(str(sent.url.reveal())) as market:
        assert (await anext(market.live.bars("rb2505", "1m"))).interval == "1m"
        assert (await anext(market.live("bar", "rb2505"))).symbol == "rb2505"
        assert (await anext(market.bars_live("rb2505", "*"))).close == Decimal("1.5")
        assert (await anext(market.trades("BTC-USDT", venue="okx"))).venue == "okx"
        assert (await anext(market.live.trades(["BTC-USDT"]))).venue == "okx"


async def test_no_query_service_is_a_warning_and_the_stream_goes_on(
    sent: NatsConnection, connection: NatsConnection
) -> None:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    with capture_logs() as lines:
        async with asyncio.timeout(30), MarketClient(str(sent.url.reveal())) as market:
            stream = market.ticks("later")
            following = asyncio.ensure_future(anext(stream))
            while not any(line["event"] == "subscription.unchecked" for line in lines):
                await asyncio.sleep(0.01)
            await publish(connection, TICK, TICKS["shfe", "ru1901"]._replace(symbol="later"))
            assert (await following).symbol == "later"
            await stream.aclose()
    structlog.configure(**before)


async def test_a_name_that_nobody_has_is_refused_with_the_nearest(serve: Serve) -> None:
    api = await serve()
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        for stream in (market.ticks("rb2550"), market.live.bars("RB2550", "1m"), market.trades("rb2550")):
            with pytest.raises(UnknownSymbol, match="rb2505") as caught:
                await anext(stream)
            assert caught.value.code == "UNKNOWN_SYMBOL"
        with pytest.raises(UnknownSymbol, match="zz"):
            await anext(market.ticks("zz*"))
        for stream in (market.books("rb2505", venue="shef"), market.live("ticker", "rb2505", venue="shef")):
            with pytest.raises(UnknownVenue, match=r"venue: .*shfe"):
                await anext(stream)
        for question in (
            market.bars("rb2550", "1m"),
            market.history.ticks("rb2550"),
            market.latest_tick("rb2550"),
            market.latest_bars("rb2550", "1m"),
            market.bars("rb2505,rb2550", "1m"),
        ):
            with pytest.raises(UnknownSymbol, match="rb2505"):
                await question
        with pytest.raises(QueryFailed, match="shfe"):
            await market.bars("rb2505", "1m", venue="shef")


async def test_a_name_that_is_yet_to_come_can_be_waited_for(serve: Serve) -> None:
    api = await serve()
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        waiting = market.ticks("rb2699", wait=True)
        following = asyncio.ensure_future(anext(waiting))
        with pytest.raises(UnknownSymbol):
            await anext(market.ticks("rb2699"))
        assert not following.done()
        await publish(api.nats, TICK, TICKS["shfe", "ru1901"]._replace(symbol="rb2699"))
        assert (await following).symbol == "rb2699"
        await waiting.aclose()


async def test_stored_data_of_several_and_of_patterns(serve: Serve) -> None:
    api = await serve()
    async with MarketClient(api.url) as market:
        for names in (["rb2505", "rb2510"], "rb2505,rb2510", "rb*", ["rb25?[05]"], "SHF.rb*"):
            found = await market.bars(names, "1m")
            assert found.column("ts_open").to_pylist() == sorted(found.column("ts_open").to_pylist())
            assert len(found) == 20
            assert (await asyncio.to_thread(found.pivot, "close")).shape == (10, 2)
        newest = await market.bars("rb*", "1m", last=2)
        assert [(row.symbol, row.seq) for row in newest] == [("rb2505", 8), ("rb2510", 8), ("rb2505", 9), ("rb2510", 9)]
        few = await market.bars("rb*", "1m", last=2, fields=["close"])
        assert (await asyncio.to_thread(few.to_pandas)).columns.tolist() == ["close"]
        assert set(few.column_names) == {"ts_open", "venue", "symbol", "close"}  # what was sent
        with pytest.raises(QueryFailed, match="fields: expected all of a bar"):
            list(few)
        with pytest.raises(QueryFailed, match=r"fields: .*did you mean 'close'"):
            await market.bars("rb2505", "1m", fields=["closs"])
        top = await market.history.ticks("rb2505", last=1, fields=["last", "bid_price_1", "ask_volume_7"])
        frame = await asyncio.to_thread(top.to_pandas)
        assert frame["bid_price_1"].tolist() == [2999.0]
        assert frame["ask_volume_7"].isna().all()
        ticks = await market.history.ticks("rb2505", OPENED)
        assert len(ticks) == COUNT
        assert (await asyncio.to_thread(ticks.to_pandas))["bid_price_1"].iloc[0] == 2999.0
        assert len(await market.ticks_between("rb2505", last_second(ticks.table.column("ts_event").to_pylist()))) > 0
        assert len([page async for page in market.history.pages("tick", "rb2505")]) > 4
        assert [row.symbol for row in await market.last("bar", "rb2505", 3, interval="1m")] == ["rb2505"] * 3
        with pytest.raises(UnknownSymbol, match="cu"):
            await market.bars("cu*", "1m")


def last_second(times: list[int]) -> int:
    return max(times) - 10**9


def test_the_warning_is_one_of_the_standard_library() -> None:
    assert logging.getLogger("marketprism_client").handlers


@pytest.mark.parametrize(
    ("days", "count"), [("2025-03-03", 10), (date(2025, 3, 3), 10), (("2025-03-01", None), 10), ("2025-03-04", 0)]
)
async def test_bars_of_a_trading_day(serve: Serve, days: Any, count: int) -> None:
    api = await serve()
    async with MarketClient(api.url) as market:
        assert len(await market.bars("rb2505", "1m", trading_day=days)) == count
        assert len(await market.bars("rb2505", "1m", trading_day=days, last=3)) == min(3, count)
        with pytest.raises(QueryFailed, match="day: expected a trading day"):
            await market.bars("rb2505", "1m", trading_day="the day before")


@pytest.mark.parametrize("name", ["RB2505", "rb2505.SHFE", "shfe.rb2505", "SHFE.RB2505"])
@pytest.mark.long_on("RB2505", "shfe.rb2505", "SHFE.RB2505")
async def test_names_are_taken_as_people_write_them_live_too(serve: Serve, name: str) -> None:
    api = await serve()
    record = TICKS["shfe", "ru1901"]._replace(symbol="rb2505")
    other = record._replace(venue="sim")
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        assert {bar.symbol for bar in await market.bars(name, "1m")} == {"rb2505"}
        assert len(await market.history.ticks(name)) == COUNT
        newest = await market.latest_tick(name)
        assert newest is not None
        assert newest.symbol == "rb2505"
        stream = market.ticks(name)
        following = asyncio.ensure_future(anext(stream))
        while not following.done():  # the name is looked up meanwhile
            await publish(api.nats, TICK, other if "." in name else record)
            await publish(api.nats, TICK, record)
            await asyncio.sleep(0.01)
        assert ((await following).venue, (await following).symbol) == ("shfe", "rb2505")
        await stream.aclose()


@pytest.mark.parametrize("kept", [False, True])
async def test_the_newest_of_a_venue_is_not_another_venues(serve: Serve, kept: bool) -> None:
    api = await serve()
    ours = TICKS["shfe", "ru1901"]._replace(symbol="rb2505")
    for venue in ("shfe", "sim"):  # the last of the subject that both share is the other's
        await publish(api.nats, TICK, ours._replace(venue=venue))
        await publish(api.nats, BAR, bar(1)._replace(venue=venue))
    if kept:  # as the validator does
        latest = await NatsKeyValue.open(api.nats, LATEST_TICKS)
        await latest.put("tick.rb2505.shfe", encode(TICK, ours))
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        for name in ("SHFE.RB2505", "rb2505.SHF"):
            newest = await market.latest_tick(name)
            assert newest is not None
            assert (newest.venue, newest == ours) == ("shfe", kept)  # else the newest that is stored
            assert [each.venue for each in await market.latest_bars(name, "1m")] == ["shfe"]
        newest = await market.latest_tick("RB2505")
        assert newest is not None
        assert newest.venue == "sim"
        assert {each.venue for each in await market.latest_bars("RB2505", "1m")} == {"shfe", "sim"}


async def test_a_venue_is_taken_as_people_write_it(serve: Serve) -> None:
    api = await serve()
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        assert len(await market.bars("rb2505", "1m", venue="SHFE")) == 10
        assert len(await market.bars("rb*", "1m", venue="SHFE")) == 20
        for question in (market.bars("rb2505", "1m", venue="shef"), market.bars("rb*", "1m", venue="shef")):
            with pytest.raises(UnknownVenue, match="shfe"):
                await question


async def test_each_of_several_names_is_looked_up_although_another_comes(serve: Serve) -> None:
    api = await serve()
    rb2505, rb2510 = (TICKS["shfe", "ru1901"]._replace(symbol=symbol) for symbol in ("rb2505", "rb2510"))

    async def go() -> None:
        while True:
            for record in (rb2505, rb2510):
                await publish(api.nats, TICK, record)
            await asyncio.sleep(0.01)

    running = asyncio.create_task(go())
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        seen: set[str] = set()
        async for tick in market.ticks("rb2505,RB2510"):
            seen.add(tick.symbol)
            if len(seen) == 2:
                break
        assert seen == {"rb2505", "rb2510"}
        stream = market.ticks("rb2505,nosuch")

        async def all_of() -> None:
            async for tick in stream:
                assert tick.symbol == "rb2505"

        with pytest.raises(UnknownSymbol, match="nosuch"):
            await all_of()
    running.cancel()


async def test_a_name_that_comes_is_right_although_nothing_is_stored_of_it(serve: Serve) -> None:
    api = await serve()
    record = TICKS["shfe", "ru1901"]._replace(symbol="rb2699")

    async def go() -> None:
        while True:
            await publish(api.nats, TICK, record)
            await publish(api.nats, TICK, record._replace(symbol="rb2505"))
            await asyncio.sleep(0)

    running = asyncio.create_task(go())
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        stream = market.ticks("rb2699,RB2505")
        seen: set[str] = set()
        async for tick in stream:
            seen.add(tick.symbol)
            if "rb2505" in seen:
                break
        assert seen == {"rb2699", "rb2505"}
        await stream.aclose()
    running.cancel()
