"""A replay as who listens to it meets it: ticks and bars in one order, where it is, and an end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise

import pytest

from marketprism_application.contracts.replays import decode_position
from marketprism_client import LiveStream, MarketClient, ReplayPosition, SyncMarketClient
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_services.replay.republish import Replay, replay
from tests.integration.query.read_side import COUNT, MINUTE, OPENED, Api, Serve, filled, serve

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


def everything(**more: object) -> Replay:
    wanted = {"symbols": ["rb2505"], "ts_from": None, "ts_to": None, "speed": None, "prefix": "replay"}
    return Replay(**(wanted | more))  # type: ignore[arg-type]


async def subscribed(*streams: LiveStream[Tick] | LiveStream[Bar]) -> list[asyncio.Task[list[Tick | Bar]]]:
    """What comes on each of the streams until it ends."""

    async def all_of(stream: LiveStream[Tick] | LiveStream[Bar]) -> list[Tick | Bar]:
        return [record async for record in stream]

    tasks = [asyncio.create_task(all_of(stream)) for stream in streams]
    await asyncio.sleep(0)
    return tasks


async def sent(api: Api, market: MarketClient, wanted: Replay) -> ReplayPosition:
    await market.symbols()  # a round trip: the server has the subscription
    return await replay(market, api.nats, wanted)


async def test_who_listens_hears_ticks_and_bars_and_the_end(serve: Serve) -> None:
    api = await serve()
    async with asyncio.timeout(120), MarketClient(api.url, prefix="replay") as market:
        heard = await subscribed(market.ticks("rb*"), market.live.bars("rb2505", "1m"))
        assert market.position is None
        ended = await sent(api, market, everything(bars=["1m"]))
        ticks, bars = await asyncio.gather(*heard)
        assert ended.sent == {"tick": COUNT, "bar": 10}
        assert [tick.seq for tick in ticks] == list(range(1, COUNT + 1))
        assert market.dropped == 0
        assert [bar.ts_event for bar in bars] == [OPENED + (n + 1) * MINUTE for n in range(10)]
        assert market.position == ended
        assert (ended.ended, ended.reason, ended.ts) == (True, "", OPENED + 10 * MINUTE)
        # As the market would have sent it: no zeros that only the table has.
        assert [str(tick.last) for tick in ticks[:2]] == ["3000.5", "3001.5"]
        assert isinstance(bars[0], Bar)
        assert str(bars[0].close) == "1.5"


async def test_bars_stand_between_the_ticks_where_they_close(serve: Serve) -> None:
    api = await serve()
    order: list[tuple[int, str]] = []
    await api.nats.subscribe("again.market.>", lambda message: order.append((len(order), message.subject)))
    until = OPENED + 2 * MINUTE + 10**9
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        ended = await replay(market, api.nats, everything(ts_to=until, bars=["1m"], prefix="again"))
        ticks = ended.sent["tick"]
        assert ended.sent == {"tick": ticks, "bar": 2}
        while len(order) < ticks + 2:
            await asyncio.sleep(0.01)
    places = [number for number, subject in order if subject == "again.market.bar.1m.rb2505"]
    # 100 ticks a second: the bar of a minute comes before the tick that opens the next one.
    assert places == [6_000, 12_001]


async def test_a_replay_that_is_interrupted_ends_for_who_listens(serve: Serve) -> None:
    api = await serve()
    async with asyncio.timeout(60), MarketClient(api.url, prefix="slow") as market:
        (heard,) = await subscribed(market.ticks("rb2505"))
        await market.symbols()  # a round trip: the server has the subscription
        running = asyncio.create_task(replay(market, api.nats, everything(speed=1.0, prefix="slow")))
        while market.position is None or not market.position.sent:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert 0 < len(await heard) < COUNT
        assert (market.position.ended, market.position.reason) == (True, "interrupted")


async def test_places_grow(serve: Serve) -> None:
    api = await serve()
    seen: list[ReplayPosition] = []
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        await replay(market, api.nats, everything(), seen.append)
    assert [(each.ts or 0) for each in seen] == sorted((each.ts or 0) for each in seen)
    assert all(a.sent["tick"] <= b.sent["tick"] for a, b in pairwise(seen))
    assert seen[-1].sent == {"tick": COUNT}


def listen(url: str) -> list[Decimal | None]:
    with SyncMarketClient(url, prefix="replay") as market:
        return [tick.last for tick in market.ticks("rb2505")]


@pytest.mark.long
async def test_the_command_and_a_script_that_listens(serve: Serve) -> None:
    api = await serve()
    heard = asyncio.create_task(asyncio.to_thread(listen, api.url))
    async with asyncio.timeout(120):
        while not heard.done():  # the script subscribes when it is there: say it again until it was
            command = ("replay", "--symbol", "rb2505", "--speed", "max", "--bars", "1m", "--nats-url", api.url)
            done = await asyncio.to_thread(
                subprocess.run, [sys.executable, "-m", "marketprism_services", *command], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            assert "25000 ticks, 10 bars sent on replay.market.>" in done.stderr
    assert len(await heard) > 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--kinds", "kline"), "kinds: expected some of tick, gap, trade"),
        (("--kinds", "none"), "kinds: expected at least one"),
        (("--bars", "fast"), "interval"),
        (("--symbol", ","), "symbol: expected at least one"),
    ],
)
def test_what_cannot_be_sent_again_is_refused(arguments: tuple[str, ...], text: str) -> None:
    command = ("replay", "--symbol", "rb2505", "--nats-url", "nats://127.0.0.1:9", *arguments)
    done = subprocess.run(
        [sys.executable, "-m", "marketprism_services", *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr


async def test_a_replay_that_waits_for_the_next_record_shows_that_it_lives(serve: Serve) -> None:
    api = await serve()
    places: list[ReplayPosition] = []
    await api.nats.subscribe("slow.position", lambda message: places.append(decode_position(message.data)))
    async with asyncio.timeout(60), MarketClient(api.url) as market:
        slow = asyncio.create_task(replay(market, api.nats, everything(speed=0.001, prefix="slow")))
        while len(places) < 3:  # the first records are seconds apart
            await asyncio.sleep(0.01)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        while not places[-1].ended:
            await asyncio.sleep(0.01)
    assert {place.alive_s for place in places[:3]} == {1.0}
    assert (places[-1].alive_s, places[-1].reason) == (0.0, "interrupted")
