"""Recordings that a simulated venue plays: to whoever subscribes what they tell."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.venues.kit.simulated_market import SimulatedBook
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.recorded_streams import retold, stream_of
from marketprism_adapters.venues.simulator.recording_server import PlayedVenueServer
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_application.errors import SourceError
from tests.integration.venues.simulator_side import asked, heard, opening
from tests.integration.venues.venue_side import FAST, QUICK

pytestmark = pytest.mark.timeout(60)


def recorded(folder: Path, *, bare: bool = False, depth: str = "depth@0ms") -> Path:
    """Two seconds of a futures market, its depth at a pace that nobody subscribes today, and a snapshot without name."""
    dialect: Any = DIALECTS["binance-usdm"](("BTC",))
    pair = dialect.pairs[0]
    book = SimulatedBook(pair, "recorded", levels=30)
    lines = []
    for step in range(80):
        ns = 1_700_000_000_000_000_000 + step * 25_000_000
        frames = [dialect.book(pair, book.step(ns // 1_000_000), wrong_checksum=False)]
        trade = book.trade(ns // 1_000_000)
        dialect.begins(pair, book, "btcusdt@trade")
        frames += dialect.trades(pair, trade)
        for stream, frame in frames:
            data = json.loads(frame)["data"]
            name = stream.replace("depth@100ms", depth)
            lines.append(f"{ns} {json.dumps(data if bare else {'stream': name, 'data': data})}")
        if step == 3:
            last_id, ts_ms, bids, asks = book.snapshot(1_000)
            answer = {"lastUpdateId": last_id, "E": ts_ms, "T": ts_ms, "bids": bids, "asks": asks}
            lines.append(f"{ns} {json.dumps(answer)}")
    path = folder / "btcusdt.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@asynccontextmanager
async def playing(market: str, *paths: Path, **given: Any) -> AsyncIterator[PlayedVenueServer]:
    server = await asyncio.to_thread(PlayedVenueServer, market, paths, **given)  # it reads files
    async with server:
        yield server


@pytest.mark.parametrize("bare", [False, True])
async def test_a_recording_is_played_to_whoever_subscribes_what_it_tells(tmp_path: Path, bare: bool) -> None:
    async with playing("binance-usdm", recorded(tmp_path, bare=bare)) as server, opening(server) as at:
        async with at("/public/stream?streams=btcusdt@depth@100ms") as one, at("/public/ws/btcusdt@depth@500ms") as two:
            status, body = await asked(server, "/fapi/v1/depth?symbol=BTCUSDT&limit=7")
            assert (status, len(body["bids"]), len(body["asks"])) == (200, 7, 7)
            frames = [json.loads(await one.receive_str()) for _ in range(80)]
            assert {frame["stream"] for frame in frames} == {"btcusdt@depth@100ms"}
            assert await heard(two, 80) == [frame["data"] for frame in frames]
            assert all(after["data"]["pu"] == before["data"]["u"] for before, after in itertools.pairwise(frames))
        status, _ = await asked(server, "/fapi/v1/openInterest?symbol=BTCUSDT")
        assert status == 404  # nothing is made up
        told = "\n".join(server.description())
        assert "depth@" in told
        assert "it serves orderbook\n" in told
        assert "nothing for trade (aggTrade)" in told  # raw trades have other numbers, so they are not passed off


async def test_a_gateway_makes_a_true_book_of_a_recording(tmp_path: Path) -> None:
    async with playing("binance-usdm", recorded(tmp_path), speed=2.0) as server:
        row = MARKETS["binance-usdm"]
        source = VenueSource(
            row.make(server.ws_url, server.rest_url),
            replace(FAST, kinds=("orderbook",), instruments=tuple(server.books), silent_s=5.0),
            backoff=QUICK,
        )
        await source.connect()
        stream = source.stream({})
        steps = gaps = 0
        async for batch in stream:
            steps += sum(type(message).__name__ == "OrderBookMessage" for message in batch.messages)
            gaps += len(batch.gaps)
            if server.played == server.length and steps >= 70:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        assert source.book("binance", "BTC-USDT-PERP", 5) is not None
        assert gaps == 0
        await source.close()


@pytest.mark.parametrize(
    ("market", "recording", "kinds"),
    [
        (
            "binance-usdm",
            "binance/usdm/hft_btcusdt_20230404.txt.xz",
            {"orderbook", "quote", "funding_rate", "mark_price"},
        ),
        ("binance", "binance/spot/hft_btcusdt_20240808.txt.xz", {"orderbook", "quote"}),
        ("binance", "binance/spot/dob_ETHBTC_20201101_09_update.json.gz", {"orderbook"}),
        ("okx", "okx/cf_20220227_tbt.txt.gz", {"orderbook", "trade", "ticker"}),
        (
            "deribit",
            "deribit/cf_20210405_options.txt.gz",
            {"orderbook", "ticker", "funding_rate", "open_interest", "mark_price"},
        ),
    ],
)
def test_what_the_community_records_is_served(fixtures: Path, market: str, recording: str, kinds: set[str]) -> None:
    path = fixtures / recording
    if not path.exists():
        pytest.skip(f"no {recording} in the fixtures")
    server = PlayedVenueServer(market, [path])
    assert server.books
    told = next(line for line in server.description() if line.startswith("it serves "))
    assert set(told.removeprefix("it serves ").split(", ")) == kinds


def test_a_recording_of_another_market_is_refused(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    for market in ("okx", "binance"):
        with pytest.raises(SourceError, match=f"expected frames of {market}, found those of binance-usdm"):
            PlayedVenueServer(market, [path])


@pytest.mark.parametrize(
    ("frame", "stream", "name"),
    [
        ('{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}', "btcusdt@bookTicker", ""),
        ('{"e":"kline","s":"BTCUSDT","k":{"i":"5m"}}', "btcusdt@kline_5m", ""),
        ('{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT"}}', "btcusdt@forceOrder", ""),
        ('{"arg":{"channel":"books-l2-tbt","instId":"A-B"},"data":[]}', "books-l2-tbt:A-B", "books:A-B"),
        (
            '{"method":"subscription","params":{"channel":"book.X.raw","data":{"a":1.10}}}',
            "book.X.raw",
            "book.X.100ms",
        ),
        ('{"result":null,"id":1}', "", ""),
        ("{", "", ""),
    ],
)
def test_a_frame_is_of_the_stream_that_it_says_or_is_of(frame: str, stream: str, name: str) -> None:
    assert stream_of(frame.encode()) == stream
    if name:
        made = retold(frame.encode(), name)
        assert stream_of(made.encode()) == name
        assert frame.partition('"data":')[2].rstrip("}") in made  # as it was written
