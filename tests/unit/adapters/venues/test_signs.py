"""What is said of the market of a recording by its frames, its requests' addresses and its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.venues.kit.simulated_market import SimulatedBook
from marketprism_adapters.venues.recordings import market_detection
from marketprism_adapters.venues.recordings.market_detection import BARE, market_of, of_path, of_url, signed, signs_of
from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS

BOOK = b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1700000000000,"data":{"s":"BTCUSDT","b":[],"a":[],"u":2,"seq":7}}'
SPOT_TRADE = b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1700000000000,"data":[{"T":1700000000000,"s":"BTCUSDT","S":"Sell","v":"2","p":"1.5","i":"1","BT":false}]}'
CONTRACT_TRADE = SPOT_TRADE.replace(b'"p":"1.5"', b'"p":"1.5","L":"PlusTick"')


def recorded(path: Path, *frames: bytes) -> VenueRecording:
    path.write_bytes(b"".join(b"17000000000000%02d000 %b\n" % (n, frame) for n, frame in enumerate(frames)))
    return VenueRecording(path)


@pytest.mark.parametrize(
    ("name", "frames", "market", "by"),
    [
        ("btcusdt.txt", [BOOK], "bybit", "assumed"),
        ("btcusdt_linear.txt", [BOOK], "bybit-linear", "name"),
        ("btcusdt.txt", [SPOT_TRADE, BOOK], "bybit", "assumed"),
        ("btcusdt.txt", [BOOK, CONTRACT_TRADE], "bybit-linear", "form"),
        ("btcusdt_spot.txt", [CONTRACT_TRADE], "bybit-linear", "form"),
    ],
)
def test_frames_that_two_markets_share_are_told_apart_by_a_trade_or_the_name(
    tmp_path: Path, name: str, frames: list[bytes], market: str, by: str
) -> None:
    recording = recorded(tmp_path / name, *frames)
    assert (recording.market, recording.market_by, recording.markets) == (market, by, frozenset({market}))


@pytest.mark.parametrize(
    ("frame", "market"),
    [
        (b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote.BTC-PERPETUAL","data":{}}}', "deribit"),
        (b'{"params":{"channel":"quote.X","data":{"e":"trade"}},"method":"subscription","jsonrpc":"2.0"}', "deribit"),
        (b'{"arg":{"channel":"books","instId":"BTC-USDT"},"data":[{"ts":"1"}]}', "okx"),
        (BOOK, "bybit"),
        (CONTRACT_TRADE, "bybit-linear"),
        (b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}', "binance"),
        (b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[],"a":[]}', "binance-usdm"),
        (b'{"e":"depthUpdate","E":1,"s":"BTCUSD_PERP","U":1,"u":2,"pu":0,"b":[],"a":[]}', "binance-coinm"),
        (b'{"e":"kline","E":1,"s":"BTCUSDT","k":{"c":"1.00000000"}}', ""),
        (b'{"result":null,"id":1}', ""),
    ],
)
def test_a_frame_has_the_sign_of_its_market(frame: bytes, market: str) -> None:
    assert signed(frame) == market


@pytest.mark.parametrize("market", MARKETS)
def test_what_a_simulated_market_sends_is_recognised_as_its_own(market: str) -> None:
    """By the venues in their order: signs that another venue's frames have as well hide the one that comes later."""
    dialect, now, own = DIALECTS[market](("BTC",)), 1_790_000_000_000, signs_of(market)
    found = set()
    for pair in dialect.pairs:
        held = SimulatedBook(pair, market, ts_ms=now)
        for stream, frame in (
            dialect.book(pair, held.step(now), wrong_checksum=False),
            dialect.trade(pair, held.trade(now)),
            *dialect.others(pair, held, now),
        ):
            of = market_of(frame.encode())
            assert of == market or of in own.alike, (stream, of)
            found.add(of)
    assert market in found


def test_a_frame_of_a_form_without_a_sign_is_of_the_market_that_is_assumed() -> None:
    kline = b'{"e":"kline","E":1,"s":"BTCUSDT","k":{"c":"1.%b"}}'
    assert market_of(kline % b"00000000") == market_of(kline % b"00") == "binance"
    assert (BARE.suggested(kline % b"00000000"), BARE.suggested(kline % b"00")) == ("binance", "binance-usdm")
    assert market_of(b'{"result":null,"id":1}') == ""


def test_addresses_and_paths_say_the_market_of_a_request() -> None:
    assert of_url("fstream.binance.com:443", "/ws", {}) == "binance-usdm"
    assert of_url("api.bybit.com", "/v5/market/orderbook", {"category": "linear", "symbol": "X"}) == "bybit-linear"
    assert of_url("api.bybit.com", "/v5/market/orderbook", {"category": "option"}) == ""
    assert of_url("stream.bybit.com", "/v5/public/spot", {}) == "bybit"
    assert (of_path("/dapi/v1/depth"), of_path("/api/v5/market/books"), of_path("/v9")) == ("binance-coinm", "okx", "")


def test_a_name_says_the_market_and_the_instrument(tmp_path: Path) -> None:
    assert market_detection.of_name(tmp_path / "btcusdt_um.gz", BARE.words) == "binance-usdm"
    assert market_detection.symbol_in(Path("btcusdt_20240808.gz")) == "BTCUSDT"
    assert market_detection.symbol_in(Path("ETHBTC/2020-11-01T09-00-00.json")) == "ETHBTC"
    assert market_detection.symbol_in(Path("notes.txt")) == ""
