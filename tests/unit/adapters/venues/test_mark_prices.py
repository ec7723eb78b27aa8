"""Mark prices: what each venue sends of them, and that nobody has them who did not ask for them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from marketprism_adapters.venues.recordings.market_detection import market_of
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.venue_messages import MarkPriceMessage, record_of
from marketprism_application.venues.protocol import Control, FrameParser, ParseRefused, StreamKey

NOW = 1_790_000_000_000_000_000
D = Decimal
# As they came over the wire (2021 to 2026); Bybit's stand in its documents.
USDM = (
    '{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1786171884000,"s":"BTCUSDT",'
    '"p":"64991.37858696","ap":"64991.37858696","P":"64980.01344384","i":"65016.05673913","r":"0.00003936",'
    '"T":1786176000000,"st":1}}'
)
COINM = (
    '{"stream":"btcusd_200925@markPrice@1s","data":{"e":"markPriceUpdate","E":1592265602000,"s":"BTCUSD_200925",'
    '"p":"9501.15723333","P":"9429.39675000"}}'
)
OKX = (
    '{"arg":{"channel":"mark-price","instId":"FIL-USDT-220325"},"data":[{"instId":"FIL-USDT-220325",'
    '"instType":"FUTURES","markPx":"36.232","ts":"1640131204676"}]}'
)
DERIBIT = (
    '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.BTC-5JUN20-9250-C.raw","data":{'
    '"underlying_price":9440.73,"underlying_index":"SYN.BTC-5JUN20","timestamp":1590969652595,"stats":{"volume":13.4,'
    '"price_change":-19.1489,"low":0.037,"high":0.047},"state":"open","settlement_price":0.05,"open_interest":533.2,'
    '"min_price":0.0115,"max_price":0.069,"mark_price":0.03847784,"mark_iv":63.21,"last_price":0.038,'
    '"interest_rate":0.0,"instrument_name":"BTC-5JUN20-9250-C","index_price":9434.36,"greeks":{"vega":3.88497,'
    '"theta":-28.34113,"rho":0.66242,"gamma":0.00058,"delta":0.62959},"estimated_delivery_price":9434.36,'
    '"bid_iv":58.39,"best_bid_price":0.0365,"best_bid_amount":15.4,"best_ask_price":0.04,"best_ask_amount":4.8,'
    '"ask_iv":66.9}}}'
)
BYBIT = (
    '{"topic":"tickers.BTC-26DEC25","type":"snapshot","data":{"symbol":"BTC-26DEC25","tickDirection":"ZeroMinusTick",'
    '"price24hPcnt":"0","lastPrice":"109401.50","markPrice":"121144.63","indexPrice":"114132.51",'
    '"openInterest":"6.622","deliveryTime":"2025-12-26T08:00:00Z","basisRate":"0.06129209",'
    '"predictedDeliveryPrice":"0.00","nextFundingTime":"","fundingRate":"","bid1Price":"111254.50",'
    '"bid1Size":"0.176","ask1Price":"131001.00","ask1Size":"0.580"},"cs":31337927919,"ts":1760409119857}'
)
FRAMES = {"binance-usdm": USDM, "binance-coinm": COINM, "okx": OKX, "deribit": DERIBIT, "bybit-linear": BYBIT}


def parser_of(market: str, *kinds: str) -> FrameParser:
    """`kinds` are those that are asked for; all of them without any."""
    made = MARKETS[market].make("", "").parser("test")
    made.kinds = frozenset(kinds) or None
    return made


def marks(parser: FrameParser, *frames: str | bytes) -> list[tuple[Any, ...]]:
    """Of each mark price what is its own, with the time in milliseconds and the instrument."""
    found = []
    for frame in frames:
        for item in parser.parse(frame.encode() if isinstance(frame, str) else frame, NOW):
            if isinstance(item, MarkPriceMessage):
                record = record_of(item)
                assert record.ts_event == record.seq * 1_000_000
                found.append((record.symbol, record.seq, *record[8:]))
    return found


@pytest.mark.parametrize(
    ("market", "expected"),
    [
        (
            "binance-usdm",
            ("BTC-USDT-PERP", 1786171884000, D("64991.37858696"), D("65016.05673913"), D("64980.01344384")),
        ),
        ("binance-coinm", ("BTC-USD-200925", 1592265602000, D("9501.15723333"), None, D("9429.39675000"))),
        ("okx", ("FIL-USDT-220325", 1640131204676, D("36.232"), None, None)),
        ("deribit", ("BTC-5JUN20-9250-C", 1590969652595, D("0.03847784"), D("9434.36"), D("9434.36"))),
        ("bybit-linear", ("BTC-26DEC25", 1760409119857, D("121144.63"), D("114132.51"), None)),
    ],
)
def test_a_frame_that_a_venue_sends_is_a_mark_price(market: str, expected: tuple[Any, ...]) -> None:
    assert marks(parser_of(market), FRAMES[market]) == [expected]
    assert market_of(FRAMES[market].encode()) == market


@pytest.mark.parametrize(
    ("market", "kinds", "expected"),
    [
        ("binance-usdm", ("funding_rate",), ["FundingRate"]),
        ("binance-usdm", ("mark_price",), ["MarkPrice"]),
        ("binance-usdm", ("funding_rate", "mark_price"), ["FundingRate", "MarkPrice"]),
        ("binance-usdm", (), ["FundingRate", "MarkPrice"]),
        ("binance-coinm", ("ticker", "mark_price"), ["MarkPrice"]),  # tickers have a stream of their own
        ("binance-coinm", (), ["Ticker", "MarkPrice"]),
        ("okx", ("ticker", "mark_price"), ["MarkPrice"]),
        ("okx", (), ["Ticker", "MarkPrice"]),
        ("deribit", ("ticker", "open_interest"), ["Ticker", "OpenInterest"]),
        ("deribit", ("mark_price",), ["Ticker", "OpenInterest", "MarkPrice"]),
    ],
)
def test_it_comes_beside_what_the_frame_was_before_and_only_where_it_is_asked_for(
    market: str, kinds: tuple[str, ...], expected: list[str]
) -> None:
    items = parser_of(market, *kinds).parse(FRAMES[market].encode(), NOW)
    assert [type(item).__name__.removesuffix("Message") for item in items] == expected


@pytest.mark.parametrize(
    ("market", "symbols", "streams"),
    [
        ("binance", ("BTC-USDT",), []),
        ("binance-usdm", ("BTC-USDT-PERP", "BTC-USDT-261225"), ["btcusdt@markPrice@1s", "btcusdt_261225@markPrice@1s"]),
        ("binance-coinm", ("BTC-USD-PERP",), ["btcusd_perp@markPrice@1s"]),
        ("okx", ("BTC-USDT", "BTC-USDT-PERP"), ["mark-price:BTC-USDT-SWAP"]),
        ("deribit", ("BTC-USD-PERP",), ["ticker.BTC-PERPETUAL.100ms"]),
        ("bybit", ("BTC-USDT",), []),
        ("bybit-linear", ("BTC-USDT-PERP",), ["tickers.BTCUSDT"]),
    ],
)
def test_it_is_subscribed_of_derivatives(market: str, symbols: tuple[str, ...], streams: list[str]) -> None:
    groups = MARKETS[market].make("", "").groups([StreamKey("mark_price", symbol) for symbol in symbols])
    assert [name for group in groups for name in group.streams] == streams


def test_a_stream_that_two_kinds_have_in_common_is_subscribed_once() -> None:
    wanted = [StreamKey(kind, "BTC-USDT-PERP") for kind in ("funding_rate", "mark_price")]
    (group,) = MARKETS["binance-usdm"].make("", "").groups(wanted)
    assert group.streams == {"btcusdt@markPrice@1s": wanted[0]}


def test_a_mark_price_that_stays_is_not_sent_again_with_each_ticker() -> None:
    parser = parser_of("deribit")
    later = DERIBIT.replace("1590969652595", "1590969652695")
    assert len(marks(parser, DERIBIT, later)) == 1
    assert len(marks(parser, later.replace("9434.36,", "9434.37,"))) == 1


# -- Bybit: a snapshot, then what changes ------------------------------------------------------------------------------

T0 = 1760409119857


def ticker(after_ms: int, kind: str = "delta", **fields: str) -> bytes:
    data = {"symbol": "BTC-26DEC25", **fields}
    return json.dumps(
        {"topic": "tickers.BTC-26DEC25", "type": kind, "data": data, "cs": 1, "ts": T0 + after_ms}
    ).encode()


def prices(parser: FrameParser, *frames: str | bytes) -> list[tuple[Any, ...]]:
    return [found[2:] for found in marks(parser, *frames)]


def test_a_change_goes_on_what_stood_before() -> None:
    found = prices(
        parser_of("bybit-linear"),
        BYBIT,
        ticker(100, lastPrice="1"),
        ticker(200, markPrice="121144.70"),
        ticker(300, indexPrice="114132.60", predictedDeliveryPrice="114000.5"),
    )
    assert found == [
        (D("121144.63"), D("114132.51"), None),
        (D("121144.70"), D("114132.51"), None),
        (D("121144.70"), D("114132.60"), D("114000.5")),
    ]


def test_a_change_without_what_stood_before_says_what_it_has() -> None:
    parser = parser_of("bybit-linear")
    (ignored,) = parser.parse(ticker(0, indexPrice="2"), NOW)
    assert isinstance(ignored, Control)
    assert not ignored.unknown
    assert prices(parser, ticker(100, markPrice="1")) == [(D(1), D(2), None)]


@pytest.mark.parametrize("bad", [b'{"topic":"tickers.BTC-26DEC25","ts":1', ticker(150, markPrice="x")])
def test_what_a_frame_that_is_unreadable_may_have_changed_is_not_known_any_more(bad: bytes) -> None:
    parser = parser_of("bybit-linear")
    parser.parse(BYBIT.encode(), NOW)
    with pytest.raises(ParseRefused):
        parser.parse(bad, NOW)
    assert prices(parser, ticker(200, markPrice="121144.70")) == [(D("121144.70"), None, None)]


def test_what_frames_that_were_dropped_may_have_changed_is_not_known_any_more() -> None:
    parser = parser_of("bybit-linear")
    parser.parse(BYBIT.encode(), NOW)
    parser.lost()
    assert prices(parser, ticker(200, markPrice="121144.70")) == [(D("121144.70"), None, None)]


def test_the_slower_of_two_connections_takes_nothing_back() -> None:
    found = prices(
        parser_of("bybit-linear"),
        BYBIT,
        ticker(100, markPrice="5", indexPrice="6"),
        BYBIT,  # the second connection's first frame, late
        ticker(100, markPrice="5", indexPrice="6"),
        ticker(200, markPrice="7"),
    )
    assert found == [(D("121144.63"), D("114132.51"), None), (D(5), D(6), None), (D(7), D(6), None)]


def test_a_spot_ticker_has_no_mark_price() -> None:
    (ignored,) = parser_of("bybit").parse(ticker(0, "snapshot", lastPrice="21109.77", usdIndexPrice="21120.24"), NOW)
    assert isinstance(ignored, Control)
