"""The simulated venue itself: what any client of Binance may expect of it, and of every market."""

from __future__ import annotations

import asyncio
import itertools
import time
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from marketprism_adapters.venues.binance.simulated_bars import span
from marketprism_services.chaos.venues.audit import steps_of
from tests.integration.venues.simulator_side import asked, heard, nothing, simulated

pytestmark = pytest.mark.timeout(60)


async def test_a_url_subscribes_and_says_whether_frames_have_an_envelope() -> None:
    async with simulated() as (_, at):
        async with at("/stream?streams=btcusdt@aggTrade/ethusdt@bookTicker") as client:
            frames = await heard(client, 30)
            assert {frame["stream"] for frame in frames} == {"btcusdt@aggTrade", "ethusdt@bookTicker"}
        async with at("/ws/btcusdt@depth@100ms/btcusdt@trade") as client:
            frames = await heard(client, 30)
            assert {frame["e"] for frame in frames} == {"depthUpdate", "trade"}
        async with at("/ws") as client:
            await client.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": "a"})
            answer, frame = await heard(client, 2)
            assert answer == {"result": None, "id": "a"}
            assert frame["s"] == "BTCUSDT"
            await client.send_json({"method": "SET_PROPERTY", "params": ["combined", True], "id": 2})
            assert any(each.get("stream") == "btcusdt@bookTicker" for each in await heard(client, 10))
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await at("/nowhere")


async def test_steps_that_are_late_are_made_up_for_one_by_one() -> None:
    async with simulated(rate=40.0) as (server, _):
        before = server.turns
        while server.turns == before:
            await asyncio.sleep(0)
        before = server.turns
        time.sleep(0.5)
        made = []
        for _ in range(10):
            await asyncio.sleep(0)
            made.append(server.turns - before)
    assert made[-1] > 5
    assert all(after - earlier <= 1 for earlier, after in itertools.pairwise([0, *made]))


@pytest.mark.parametrize("together", [True, False])
async def test_instruments_step_at_one_instant_or_one_after_another(together: bool) -> None:
    async with simulated(rate=100.0, together=together) as (server, _):
        before = [book.last_id for book in server.books.values()]
        stepped: set[int] = set()  # how many instruments had stepped since the loop turned last
        while server.turns < 5:
            now = [book.last_id for book in server.books.values()]
            stepped.add(sum(was != at for was, at in zip(before, now, strict=True)))
            before = now
            await asyncio.sleep(0)
    assert stepped - {0} == {len(before) if together else 1}


async def test_what_it_refuses_it_refuses_in_the_venues_words() -> None:
    async with simulated() as (_, at), at("/ws") as client:
        for message in ("{", "{}", '{"method":"JOIN","id":1}', '{"method":"SUBSCRIBE","params":"x","id":1}'):
            await client.send_str(message)
        await client.send_json({"method": "GET_PROPERTY", "params": ["pace"], "id": 5})
        await client.send_json({"method": "SUBSCRIBE", "params": ["nope@depth", "btcusdt@nope"], "id": 6})
        await client.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 7})
        answers = await heard(client, 7)
        assert [answer.get("code") for answer in answers] == [3, 2, 2, 2, 0, None, None]
        assert [answer.get("id") for answer in answers] == [None, None, 1, 1, 5, 6, 7]
        assert answers[-1]["result"] == ["nope@depth", "btcusdt@nope"]
        assert await nothing(client)


@pytest.mark.parametrize(
    ("path", "pushed"),
    [
        ("/public/stream", {"btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@depth5@100ms", "btcusdt@trade"}),
        ("/market/stream", {"btcusdt@aggTrade", "btcusdt@markPrice@1s", "btcusdt@kline_1m", "btcusdt@ticker"}),
        ("/stream", set()),
    ],
)
async def test_usdm_pushes_a_stream_on_its_side_only(path: str, pushed: set[str]) -> None:
    wanted = [
        "btcusdt@depth@100ms",
        "btcusdt@bookTicker",
        "btcusdt@depth5@100ms",
        "btcusdt@trade",
        "btcusdt@aggTrade",
        "btcusdt@markPrice@1s",
        "btcusdt@kline_1m",
        "btcusdt@ticker",
    ]
    async with simulated("binance-usdm") as (_, at), at(path) as client:
        await client.send_json({"method": "SUBSCRIBE", "params": wanted, "id": 1})
        assert (await heard(client, 1))[0] == {"result": None, "id": 1}
        if not pushed:
            assert await nothing(client)
            return
        assert {frame["stream"] for frame in await heard(client, 80)} == pushed


def fingerprint(sides: tuple[dict[str, str], dict[str, str]]) -> int:
    found = 0
    for which, side in enumerate(sides):
        for price, quantity in side.items():
            if steps_of(quantity):
                found ^= hash((which, steps_of(price), steps_of(quantity)))
    return found


@pytest.mark.parametrize(
    ("market", "path", "base"),
    [("binance", "/ws/btcusdt@depth", "/api/v3"), ("binance-usdm", "/public/ws/btcusdt@depth@500ms", "/fapi/v1")],
)
async def test_a_slower_depth_stream_joins_steps_and_is_as_true(market: str, path: str, base: str) -> None:
    async with simulated(market) as (server, at), at(path) as client:
        events = await heard(client, 1)
        _, snapshot = await asked(server, f"{base}/depth?symbol=BTCUSDT&limit=5000")
        events += await heard(client, 3)
        sides = dict(snapshot["bids"]), dict(snapshot["asks"])
        kept = [event for event in events if event["u"] > snapshot["lastUpdateId"]]
        assert all(
            after["pu"] == before["u"] if "pu" in after else after["U"] == before["u"] + 1
            for before, after in itertools.pairwise(events)
        )
        assert min(after["E"] - before["E"] for before, after in itertools.pairwise(events[1:])) > 400
        for event in kept:
            for side, levels in zip(sides, (event["b"], event["a"]), strict=True):
                side.update(levels)
        book = next(iter(server.books.values()))
        assert fingerprint(sides) == book.past[kept[-1]["u"]]


async def test_the_top_of_a_book_and_its_bars_are_those_of_its_market() -> None:
    async with (
        simulated(trades_per_step=2.0, levels=100) as (server, at),
        at("/stream?streams=btcusdt@depth20@100ms/btcusdt@kline_1s/btcusdt@kline_1h/btcusdt@kline_7m") as client,
    ):
        tops: list[Any] = []
        bars: list[Any] = []
        until = time.monotonic() + 4.5
        while time.monotonic() < until:
            (frame,) = await heard(client, 1)
            (tops if "depth20" in frame["stream"] else bars).append(frame["data"])
        assert {len(side) for top in tops for side in (top["bids"], top["asks"])} == {20}
        assert [top["lastUpdateId"] for top in tops] == sorted(top["lastUpdateId"] for top in tops)
        made = {each.trade_id: each for each in next(iter(server.books.values())).prints}
        closed = [bar["k"] for bar in bars if bar["k"]["x"]]
        assert [bar["i"] for bar in closed][:3] == ["1s"] * 3
        for bar in closed:
            if bar["n"] == 0:  # nobody traded in that second: so says the venue, too
                assert (bar["f"], bar["L"], bar["v"]) == (-1, -1, "0")
                assert not [each for each in made.values() if bar["t"] <= each.ts_ms <= bar["T"]]
                continue
            trades = [made[number] for number in range(bar["f"], bar["L"] + 1)]
            assert all(bar["t"] <= each.ts_ms <= bar["T"] for each in trades)
            assert bar["n"] == len(trades) == sum(bar["t"] <= each.ts_ms <= bar["T"] for each in made.values())
            assert Decimal(bar["v"]) == sum(Decimal(each.quantity) for each in trades)
            assert (bar["o"], bar["c"]) == (trades[0].price, trades[-1].price)
        hour = [bar["k"] for bar in bars if bar["k"]["i"] == "1h"][-1]
        assert hour["L"] - hour["f"] + 1 == hour["n"] > 50


def test_bars_open_where_the_venue_opens_them() -> None:
    sunday = 1_730_030_400_000  # 2024-10-27 12:00
    assert span("1w", sunday) == (1_729_468_800_000, 1_730_073_600_000)  # Monday the 21st
    assert span("1M", sunday) == (1_727_740_800_000, 1_730_419_200_000)
    assert span("4h", sunday) == (sunday, sunday + 14_400_000)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v3/depth?symbol=BTCUSDT&limit=abc", 400, -1100),
        ("/api/v3/depth?symbol=BTCUSDT&limit=-5", 400, -1100),
        ("/api/v3/depth?symbol=BTCUSDT&limit=0", 400, -1130),
        ("/api/v3/depth", 400, -1102),
        ("/api/v3/depth?symbol=NOPE", 400, -1121),
        ("/api/v3/aggTrades?symbol=BTCUSDT&fromId=one", 400, -1100),
        ("/api/v3/nothing", 404, -1),
    ],
)
async def test_a_request_that_makes_no_sense_is_answered_as_the_venue_answers_it(
    path: str, status: int, code: int
) -> None:
    async with simulated() as (server, _):
        found, body = await asked(server, path)
        assert (found, body["code"]) == (status, code)


async def test_no_request_breaks_a_venue() -> None:
    for market, path in {
        "okx": "/api/v5/market/books?instId=BTC-USDT&sz=abc",
        "deribit": "/api/v2/public/get_order_book?instrument_name=BTC-PERPETUAL&depth=abc",
        "bybit": "/v5/market/orderbook?symbol=BTCUSDT&limit=abc",
    }.items():
        async with simulated(market) as (server, _):
            status, _ = await asked(server, path)
            assert status < 500, market


async def test_clocks_and_the_newest_trades() -> None:
    async with simulated("binance-usdm", skew_s=3_600.0) as (server, at), at("/public/ws/btcusdt@trade") as client:
        await heard(client, 5)
        assert await asked(server, "/fapi/v1/ping") == (200, {})
        _, told = await asked(server, "/fapi/v1/time")
        _, interest = await asked(server, "/fapi/v1/openInterest?symbol=BTCUSDT")
        for stamp in (told["serverTime"], interest["time"]):
            assert abs(stamp - time.time() * 1_000 - 3_600_000) < 5_000
        _, trades = await asked(server, "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=3")
        made = [each.trade_id for each in next(iter(server.books.values())).prints]
        assert [each["a"] for each in trades] == made[made.index(trades[0]["a"]) :][:3]
        assert len(made) - made.index(trades[-1]["a"]) < 20
