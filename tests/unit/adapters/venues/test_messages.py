"""Single frames and answers that were recorded: each is read, or says by which reason it is not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from marketprism_adapters.venues.recordings.market_detection import market_of
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.venue_messages import Message, record_of
from marketprism_application.venues.protocol import Control, ParseRefused, Quote
from marketprism_domain.books.chain import BookChange

NOW = 1_790_000_000_000_000_000
# What the frames lack, in the words of the refusal: samples of documents that were cut, and one recorded in 2019.
LACKING = {
    "binance/messages/tardis_usdm.jsonl": ["missing required field `a`"],
    "deribit/messages/gct_docs.jsonl": ["missing required field `asks`"],
}


EDITED = {"spot": {"/api/v3/aggTrades: Object missing required field `m` - at `$[0]`"}}


def lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line.strip() for line in file if line.strip())


def files(root: Path) -> list[Path]:
    return sorted(path for venue in ("binance", "okx", "deribit") for path in root.glob(f"{venue}/messages/*.jsonl"))


def test_every_single_message_is_read_or_is_of_no_kind_of_ours(fixtures: Path) -> None:
    refused: dict[str, list[str]] = {}
    read = passed = 0
    for path in files(fixtures):
        name = str(path.relative_to(fixtures))
        for frame in lines(path):
            market = market_of(frame) or path.relative_to(fixtures).parts[0]
            parser = MARKETS[market].make("", "").parser("test")
            try:
                items = parser.parse(frame, NOW)
            except ParseRefused as error:
                refused.setdefault(name, []).append(str(error))
                continue
            assert items, frame
            for item in items:
                read += isinstance(item, Message | BookChange | Quote)
                passed += isinstance(item, Control)
                if isinstance(item, Message):
                    check(record_of(item))
                if isinstance(item, Control) and item.what == "ignored":
                    assert item.text
    assert {name: len(found) for name, found in refused.items()} == dict.fromkeys(LACKING, 1)
    for name, texts in LACKING.items():
        assert all(text in refused[name][0] for text in texts)
    assert read > 150
    assert passed < 80


def check(record: Any) -> None:
    """Numbers are numbers, and times are times."""
    assert record.venue in ("binance", "okx", "deribit")
    assert record.symbol
    assert 1_500_000_000_000_000_000 < record.ts_event < 1_900_000_000_000_000_000
    for value in record:
        if isinstance(value, Decimal):
            assert value.is_finite()
    if type(record).__name__ == "Trade":
        assert record.price > 0
        assert record.quantity > 0
        assert record.side in ("buy", "sell")


@pytest.mark.parametrize("market", ["spot", "usdm", "coinm"])
def test_every_answer_of_binance_is_read_or_says_why_not(fixtures: Path, market: str) -> None:
    venue = MARKETS["binance" if market == "spot" else f"binance-{market}"].make("", "")
    parser = venue.parser("test")
    (path,) = (fixtures / "binance/rest").glob(f"gct_{market}.jsonl*")
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    seen: dict[str, int] = {}
    refused: list[tuple[str, str]] = []
    for line in text.splitlines():
        entry = json.loads(line)
        given = dict(parse_qsl(entry["query"]))
        body = json.dumps(entry["data"]).encode()
        what = entry["path"].rsplit("/", 1)[-1]
        try:
            answer = venue.answer(entry["path"], given, body, NOW, parser)
        except ParseRefused as error:
            refused.append((error.reason, str(error)))
            continue
        assert answer.ignored or answer.items or answer.snapshots or answer.instruments or what == "fundingInfo", what
        seen[what] = seen.get(what, 0) + len(answer.items) + len(answer.snapshots) + len(answer.instruments)
        for item in answer.items:
            check(record_of(item))
    # Refusals of the venue, and one answer that was edited by hand: a key of it is blank.
    assert {text for reason, text in refused if reason != "refused"} == EDITED.get(market, set())
    assert len(refused) <= 4
    assert seen["depth"] >= 1
    assert seen["exchangeInfo"] >= 1
    assert seen["aggTrades"] >= 5
    assert seen["klines"] >= 5


@pytest.mark.parametrize("venue", ["okx", "deribit"])
def test_every_answer_and_push_of_the_samples_is_read(fixtures: Path, venue: str) -> None:
    made = MARKETS[venue].make("", "")
    paths = {
        "okx": {
            "order_book": "books",
            "candlesticks_full": "candles",
            "candlesticks": "candles",
            "trades": "trades",
            "funding_rate_history": "funding-rate-history",
            "mark_price": "mark-price",
        },
        "deribit": {
            "order_book": "get_order_book",
            "instruments": "get_instruments",
            "instrument": "get_instrument",
            "instrument_option": "get_instrument",
        },
    }[venue]
    read = 0
    for path in sorted((fixtures / venue / "nautilus").glob("*.json")):
        body = msgspec.json.encode(json.loads(path.read_bytes()))
        parser = made.parser("test")
        if "_ws_" in path.name:
            if path.name == "nt_ws_opt_summary.json":  # a list of answers, not a push
                continue
            assert parser.parse(body, NOW), path.name
            read += 1
            continue
        what = path.stem.removeprefix("nt_http_get_")
        known = paths.get(what) or ("instruments" if what.startswith("instruments") and venue == "okx" else "")
        given = {"instId": "BTC-USDT", "instrument_name": "BTC-PERPETUAL", "bar": "1m", "sz": "400"}
        answer = made.answer(f"/x/{known or what}", given, body, NOW, parser)
        assert bool(answer.ignored) is not bool(known), path.name
        read += bool(known)
    assert read >= 12


UNKNOWN = [
    (
        "binance-usdm",
        b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1.50","q":"2.0",'
        b'"nq":"2","f":1,"l":1,"T":5,"m":true,"st":1,"zz":{"new":[1]}}}',
    ),
    (
        "okx",
        b'{"arg":{"channel":"trades","instId":"BTC-USDT","later":1},"data":[{"instId":"BTC-USDT","tradeId":"9","px":"1.50",'
        b'"sz":"2.0","side":"sell","ts":"5","count":"1","source":"0","seqId":7}]}',
    ),
    (
        "deribit",
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"trades.BTC-PERPETUAL.100ms","data":[{"trade_seq":9,'
        b'"trade_id":"x","timestamp":5,"price":1.50,"instrument_name":"BTC-PERPETUAL","direction":"sell","amount":2.0,"later":[]}]}}',
    ),
    (
        "bybit",
        b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":6,"data":[{"T":5,"s":"BTCUSDT","S":"Sell","v":"2.0","p":"1.50",'
        b'"L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"seq":1783284617,"later":1}]}',
    ),
]


@pytest.mark.parametrize(("market", "frame"), UNKNOWN, ids=[market for market, _ in UNKNOWN])
def test_fields_that_nobody_knows_are_passed_over_and_numbers_stay_as_they_were_written(
    market: str, frame: bytes
) -> None:
    (message,) = MARKETS[market].make("", "").parser("test").parse(frame, NOW)
    trade: Any = message
    assert (trade.price, trade.quantity, trade.side, trade.ts_event) == ("1.50", "2.0", "sell", 5_000_000)


BAD = [
    (
        "binance",
        b'{"stream":"a@aggTrade","data":{"s":"BTCUSDT","a":1,"p":"NaN","q":"1","f":1,"l":1,"T":1,"m":true}}',
        "number",
        "p",
    ),
    (
        "binance",
        b'{"stream":"a@aggTrade","data":{"s":"BTCUSDT","a":1,"p":"1e999","q":"1","f":1,"l":1,"T":1,"m":true}}',
        "number",
        "p",
    ),
    (
        "binance",
        b'{"stream":"a@aggTrade","data":{"s":"BTCUSDT","a":1,"q":"1","f":1,"l":1,"T":1,"m":true}}',
        "field",
        "`p`",
    ),
    ("binance", b'{"stream":"a@depth","data":{"E":1,"s":"BTCUSDT","U":1,"u":2,"b":[["1","x"]],"a":[]}}', "number", "b"),
    ("binance", b'{"stream":"a@depth","data":{"E":1,"s":"BTCUSDT","U":1,"u":2,"b":[["1"]],"a":[]}}', "field", "b"),
    ("binance", b"\xff\xfe\x00", "malformed", ""),
    ("binance", b'{"stream":"\xff\xfe@aggTrade","data":{}}', "malformed", ""),
    ("binance", b'{"stream":"a@aggTrade","data":' + b"[" * 5000, "malformed", ""),
    (
        "okx",
        b'{"arg":{"channel":"trades","instId":"X-Y"},"data":[{"instId":"X-Y","tradeId":"1","px":"1","sz":"1","side":"up","ts":"1"}]}',
        "field",
        "side",
    ),
    (
        "okx",
        b'{"arg":{"channel":"books","instId":"X-Y"},"action":"update","data":[{"asks":[["inf","1","0","1"]],"bids":[],"ts":"1"}]}',
        "number",
        "asks",
    ),
    (
        "deribit",
        b'{"method":"subscription","params":{"channel":"book.B.100ms","data":{"timestamp":1,"instrument_name":"B","change_id":1,'
        b'"bids":[["gone",1.0,1.0]],"asks":[]}}}',
        "field",
        "gone",
    ),
    (
        "deribit",
        b'{"method":"subscription","params":{"channel":"trades.B.100ms","data":[{"price":NaN}]}}',
        "malformed",
        "",
    ),
]


@pytest.mark.parametrize(("market", "frame", "reason", "named"), BAD)
def test_a_bad_frame_says_what_is_wrong_with_it(market: str, frame: bytes, reason: str, named: str) -> None:
    with pytest.raises(ParseRefused) as caught:
        MARKETS[market].make("", "").parser("test").parse(frame, NOW)
    assert caught.value.reason == reason
    assert named in str(caught.value)


def test_of_keys_that_come_twice_the_last_one_stands() -> None:
    frame = b'{"stream":"a@aggTrade","data":{"s":"BTCUSDT","a":1,"p":"1","p":"2","q":"1","f":1,"l":1,"T":1,"m":true}}'
    (message,) = MARKETS["binance"].make("", "").parser("test").parse(frame, NOW)
    assert message.price == "2"  # type: ignore[union-attr]


def test_a_number_with_an_exponent_is_written_out() -> None:
    frame = b'{"stream":"a@aggTrade","data":{"s":"BTCUSDT","a":1,"p":"8.5E-7","q":"1e3","f":1,"l":1,"T":1,"m":true}}'
    (message,) = MARKETS["binance"].make("", "").parser("test").parse(frame, NOW)
    assert (message.price, message.quantity) == ("0.00000085", "1000")  # type: ignore[union-attr]


def test_contract_sizes_are_applied(fixtures: Path) -> None:
    venue = MARKETS["okx"].make("", "")
    parser = venue.parser("test")
    listed = {
        "code": "0",
        "data": [
            {
                "instId": "BTC-USDT-SWAP",
                "instType": "SWAP",
                "tickSz": "0.1",
                "lotSz": "1",
                "minSz": "1",
                "state": "live",
                "ctVal": "0.01",
                "ctMult": "1",
                "ctType": "linear",
                "uly": "BTC-USDT",
            },
        ],
    }
    venue.answer("/api/v5/public/instruments", {}, json.dumps(listed).encode(), NOW, parser)
    frame = (
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"9","px":"93630",'
        b'"sz":"2.1","side":"buy","ts":"5","count":"3"}]}'
    )
    (message,) = parser.parse(frame, NOW)
    trade: Any = message
    assert (trade.quantity, trade.contracts, trade.first_id, trade.last_id) == ("0.021", "2.1", 7, 9)
    with pytest.raises(ParseRefused, match="instId: expected one of the instrument list, was 'ETH-USDT-SWAP'"):
        parser.parse(frame.replace(b"BTC-USDT", b"ETH-USDT"), NOW)


@pytest.mark.parametrize(
    ("market", "path", "body"),
    [
        (
            "okx",
            "/api/v5/public/instruments",
            b'{"code":"0","data":[{"instId":"BTC-USDT","instType":"SPOT","tickSz":"a tenth","lotSz":"1","minSz":"1",'
            b'"state":"live"}]}',
        ),
        (
            "bybit",
            "/v5/market/instruments-info",
            b'{"retCode":0,"result":{"list":[{"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT",'
            b'"status":"Trading","priceFilter":{"tickSize":"a tenth"},"lotSizeFilter":{"minOrderQty":"1"}}]}}',
        ),
    ],
)
def test_an_instrument_whose_terms_are_no_numbers_is_refused_by_name(market: str, path: str, body: bytes) -> None:
    venue = MARKETS[market].make("", "")
    with pytest.raises(ParseRefused, match=r"none can be read: .*: expected numbers.*BTC") as caught:
        venue.answer(path, {}, body, 1, venue.parser("test"))
    assert caught.value.reason == "number"


def test_a_topic_that_names_no_depth_is_refused() -> None:
    frame = (
        b'{"topic":"orderbook.deep.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT","b":[],"a":[],"u":2,"seq":3}}'
    )
    with pytest.raises(ParseRefused, match="topic: expected a number of levels, was 'deep'"):
        MARKETS["bybit"].make("", "").parser("test").parse(frame, 1)


@pytest.mark.parametrize("enveloped", [True, False])
@pytest.mark.parametrize("first", ["trade", "aggTrade"])
def test_trades_that_a_recording_holds_in_two_numberings_are_told_once(first: str, enveloped: bool) -> None:
    parser = MARKETS["binance-usdm"].make("", "").parser("test")
    data = {
        "trade": {"e": "trade", "E": 2, "T": 1, "s": "BTCUSDT", "t": 79, "p": "5", "q": "1", "X": "MARKET", "m": True},
        "aggTrade": {
            "e": "aggTrade",
            "E": 2,
            "T": 1,
            "s": "BTCUSDT",
            "a": 34,
            "p": "5",
            "q": "1",
            "f": 79,
            "l": 79,
            "m": True,
        },
    }

    def frame(name: str) -> bytes:
        return json.dumps({"stream": f"btcusdt@{name}", "data": data[name]} if enveloped else data[name]).encode()

    other = "trade" if first == "aggTrade" else "aggTrade"
    with pytest.raises(ParseRefused):  # says nothing about who tells them
        parser.parse(frame(other).replace(b'"5"', b'"five"'), NOW)
    found = [item for _ in range(3) for name in (first, *data) for item in parser.parse(frame(name), NOW)]
    told: Any = [item for item in found if not isinstance(item, Control)]
    assert {each.seq for each in told} == {79 if first == "trade" else 34}
    assert len(told) == 6
    assert {item.what for item in found if isinstance(item, Control)} == {"ignored"}
