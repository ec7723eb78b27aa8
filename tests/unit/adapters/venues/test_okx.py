"""OKX: which instruments and streams there are, klines of UTC days, what refusals name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedTrade
from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.okx.simulate import OkxDialect
from marketprism_adapters.venues.okx.venue import Okx
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.contracts.venue_messages import KlineMessage
from marketprism_application.errors import SourceError
from marketprism_application.venues.protocol import Control, ParseRefused, StreamKey

NOW = 1_790_000_000_000_000_000
DAY_MS = 86_400_000


def streams(*keys: StreamKey) -> dict[str, StreamKey]:
    return {name: key for group in Okx().groups(keys) for name, key in group.streams.items()}


# -- the instrument list -----------------------------------------------------------------------------------------------

UNDERLYINGS = {"BTC-USD": ("BTC-USD", "BTC-USD_UM"), "SOL-USD": (), "ETH-USD": ("ETH-USD",)}


class Listing(OkxDialect):
    """Refuses what is in `refused`."""

    refused: tuple[str, ...] = ()

    def get(self, path: str, query: Mapping[str, str], books: Mapping[str, SimulatedBook], *, old: bool) -> Reply:
        if query.get("uly") in self.refused or query.get("instType") in self.refused:
            return Reply(400, {"code": "51000", "msg": "Parameter error", "data": []})
        return super().get(path, query, books, old=old)


async def loaded(dialect: Listing, *then: tuple[str, ...]) -> tuple[VenueSource, list[set[str]]]:
    """The source, and the options that it knew after each reading of the list; `then` is refused at the next ones."""
    async with SimulatedVenueServer(dialect) as server:
        source = VenueSource(Okx(server.ws_url, server.rest_url), VenueSettings(instruments=("*",)))
        await source.connect()
        seen = [{each.native for each in await source.instruments() if each.class_ == "option"}]
        for refused in then:
            dialect.refused = refused
            await source._listed.load()
            seen.append({each.native for each in await source.instruments() if each.class_ == "option"})
        await source.close()
        return source, seen


async def test_options_are_listed_by_underlying_with_all_families_of_it() -> None:
    source, [options] = await loaded(Listing(("BTC",), UNDERLYINGS))
    assert options == {"BTC-USD-261225-100-C", "BTC-USD_UM-261225-100-C", "ETH-USD-261225-100-C"}
    known = {each.symbol: each for each in await source.instruments()}
    assert known["BTC-USD_UM-25DEC26-100-C"].native == "BTC-USD_UM-261225-100-C"
    assert "BTC-USDT" in known


async def test_a_list_among_many_that_is_refused_is_left_out_and_told(logs: list[Any]) -> None:
    source, _ = await loaded(Listing(("BTC",), UNDERLYINGS))
    assert source.skipped == {"instrument": 1}
    (told,) = (entry for entry in logs if entry["event"] == "instruments.skipped")
    assert "uly=SOL-USD" in told["first"][0]
    assert "51000 Parameter uly error" in told["first"][0]


async def test_what_a_list_brought_before_it_was_refused_stays() -> None:
    _, [before, refused, again] = await loaded(Listing(("BTC",), UNDERLYINGS), ("BTC-USD",), ())
    assert before == refused == again
    assert len(before) == 3


@pytest.mark.parametrize("kind", ["SPOT", "FUTURES", "OPTION"])
async def test_a_list_that_is_asked_for_in_any_case_is_not_left_out(kind: str) -> None:
    dialect = Listing(("BTC",), UNDERLYINGS)
    dialect.refused = (kind,)
    with pytest.raises(SourceError, match="51000") as caught:
        await loaded(dialect)
    assert caught.value.retryable


# -- streams -----------------------------------------------------------------------------------------------------------

SYMBOLS = ("BTC-USDT", "BTC-USDT-PERP", "BTC-USD-250328", "BTC-USD_UM_XPERP-310404", "BTC-28MAR25-90000-C")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("funding_rate", ["funding-rate:BTC-USDT-SWAP", "funding-rate:BTC-USD_UM_XPERP-310404"]),
        ("liquidation", ["liquidation-orders:SWAP", "liquidation-orders:FUTURES"]),
        (
            "open_interest",
            [
                "open-interest:BTC-USDT-SWAP",
                "open-interest:BTC-USD-250328",
                "open-interest:BTC-USD_UM_XPERP-310404",
                "open-interest:BTC-USD-250328-90000-C",
            ],
        ),
    ],
)
def test_each_kind_is_subscribed_of_the_instruments_that_have_it(kind: str, expected: Sequence[str]) -> None:
    assert list(streams(*(StreamKey(kind, symbol) for symbol in SYMBOLS))) == expected


def test_only_what_is_promised_counts_as_a_cadence() -> None:
    assert set(Okx().cadence_s) == {"orderbook", "funding_rate"}


@pytest.mark.parametrize(
    ("interval", "name"),
    [
        ("1s", "1s"),
        ("1m", "1m"),
        ("1h", "1H"),
        ("4h", "4H"),
        ("6h", "6Hutc"),
        ("12h", "12Hutc"),
        ("1d", "1Dutc"),
        ("1w", "1Wutc"),
        ("1M", "1Mutc"),
    ],
)
def test_klines_are_those_of_utc_days_and_are_read_back_to_their_interval(interval: str, name: str) -> None:
    key = StreamKey("kline", "BTC-USDT", interval)
    assert streams(key) == {f"candle{name}:BTC-USDT": key}
    (made,) = Okx().parser("test").parse(candle(f"candle{name}", 1_790_812_800_000), NOW)
    assert isinstance(made, KlineMessage)
    assert made.interval == interval


def candle(channel: str, opened_ms: int) -> bytes:
    row = [str(opened_ms), "1", "3", "0.5", "2", "10", "20", "20", "1"]
    return json.dumps({"arg": {"channel": channel, "instId": "BTC-USDT"}, "data": [row]}).encode()


@pytest.mark.parametrize(
    ("name", "opened_ms", "closes_ms"),
    [
        ("1Dutc", 1_790_812_800_000, 1_790_812_800_000 + DAY_MS),
        ("6Hutc", 1_790_812_800_000, 1_790_812_800_000 + DAY_MS // 4),
        ("1Mutc", 1_790_812_800_000, 1_790_812_800_000 + 31 * DAY_MS),  # October
        ("3Mutc", 1_790_812_800_000, 1_790_812_800_000 + 92 * DAY_MS),
    ],
)
def test_a_kline_closes_when_its_interval_is_over(name: str, opened_ms: int, closes_ms: int) -> None:
    (made,) = Okx().parser("test").parse(candle(f"candle{name}", opened_ms), NOW)
    kline: Any = made
    assert (kline.ts_open, kline.ts_close) == (opened_ms * 1_000_000, closes_ms * 1_000_000)


@pytest.mark.parametrize("name", ["6H", "12H", "1D", "2D", "3D", "1W", "1M", "3M", "6M", "1Y"])
def test_klines_of_other_days_are_not_taken_for_ours(name: str) -> None:
    parser = Okx().parser("test")
    for _ in range(2):  # the second one goes the short way
        (made,) = parser.parse(candle(f"candle{name}", 1_790_784_000_000), NOW)
        assert made == Control("ignored", f"candle{name}", "klines of UTC+8 days")
    body = json.dumps({"code": "0", "data": [["1790784000000", "1", "3", "0.5", "2", "10", "20", "20", "1"]]}).encode()
    answer = Okx().answer("/api/v5/market/candles", {"instId": "BTC-USDT", "bar": name}, body, NOW, parser)
    assert (answer.ignored, list(answer.items)) == ("klines of UTC+8 days", [])


def test_a_kline_of_no_interval_is_refused() -> None:
    with pytest.raises(ParseRefused, match="candle: expected an interval like 1m, was 'soon'"):
        Okx().parser("test").parse(candle("candlesoon", 0), NOW)


def test_an_interval_that_the_venue_does_not_have_is_left_out_and_told_once(logs: list[Any]) -> None:
    venue = Okx()
    keys = [StreamKey("kline", symbol, interval) for symbol in SYMBOLS[:2] for interval in ("1m", "7m")]
    found = [name for _ in range(2) for group in venue.groups(keys) for name in group.streams]
    assert found == ["candle1m:BTC-USDT", "candle1m:BTC-USDT-SWAP"] * 2
    (told,) = logs
    assert (told["log_level"], told["interval"]) == ("warning", "7m")
    assert "6h" in told["expected"]


# -- refusals ----------------------------------------------------------------------------------------------------------

ENDS = "doesn't exist. Please use the correct URL, channel and parameters referring to API document."


@pytest.mark.parametrize(
    ("frame", "stream"),
    [
        ({"msg": f"Wrong URL or channel:funding-rate,instId:BTC-USD-250328 {ENDS}"}, "funding-rate:BTC-USD-250328"),
        ({"id": "3", "msg": f"Wrong URL or channel:candle1Dutc,instId:X-Y {ENDS}"}, "candle1Dutc:X-Y"),
        ({"msg": f"Subscribe failed, wrong URL or channel:books,instId:A-USD_UM-SWAP {ENDS}"}, "books:A-USD_UM-SWAP"),
        ({"msg": f"Wrong URL or channel:liquidation-orders,instType:SPOT {ENDS}"}, "liquidation-orders:SPOT"),
        ({"msg": f"Wrong URL or Channel: books, instId: X-Y {ENDS}"}, "books:X-Y"),
        ({"id": "3", "msg": "something else"}, "3"),
        ({"msg": "something else"}, ""),
        ({"id": "3", "msg": "channel:a,instId:b", "arg": {"channel": "books", "instId": "X-Y"}}, "books:X-Y"),
    ],
)
def test_a_refusal_names_the_stream_as_it_is_subscribed(frame: Mapping[str, Any], stream: str) -> None:
    whole = {"event": "error", "code": "60018", "connId": "a4d3ae55", **frame}
    (made,) = Okx().parser("test").parse(json.dumps(whole).encode(), NOW)
    assert made == Control("refused", stream, f"60018 {frame['msg']}")


def test_the_simulated_venue_refuses_as_the_true_one_does() -> None:
    venue = Okx()
    wanted = [
        "books:BTC-USDT",
        "books:NOPE-USDT",
        "funding-rate:BTC-USDT",
        "candle1Dutc:BTC-USDT",
        "candle4Hutc:BTC-USDT",
        "candle7m:BTC-USDT",
        "liquidation-orders:SWAP",
    ]
    said = OkxDialect(("BTC",)).on_message(venue.subscribe(wanted, 7).decode())
    parser = venue.parser("test")
    items: list[Any] = [item for answer in said.answers for item in parser.parse(answer.encode(), NOW)]
    assert len(items) == len(wanted)
    assert [item.stream for item in items if item.what == "refused"] == [
        "books:NOPE-USDT",
        "funding-rate:BTC-USDT",
        "candle7m:BTC-USDT",
    ]
    assert all(json.loads(answer)["connId"] for answer in said.answers)


def test_the_simulated_venue_pushes_klines_and_says_which_have_closed() -> None:
    dialect = OkxDialect(("BTC",))
    (pair,), book = dialect.pairs, SimulatedBook(dialect.pairs[0], "seed")
    parser = Okx().parser("test")
    found: list[Any] = []
    for ts_ms, price in ((1_790_812_801_000, "5.00"), (1_790_812_802_000, "7.00"), (1_790_812_860_000, "6.00")):
        dialect.trade(pair, SimulatedTrade(1, ts_ms, price, "2", sell=False))
        for stream, frame in dialect.others(pair, book, ts_ms):
            if stream.startswith("candle1m"):
                found += parser.parse(frame.encode(), NOW)
    closed = [each for each in found if each.closed]
    assert [(each.open, each.high, each.low, each.close, each.volume) for each in closed] == [
        ("5.00", "7.00", "5.00", "7.00", "4")
    ]
    assert found[-1].ts_open == closed[0].ts_close
