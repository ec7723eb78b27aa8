"""Whatever comes on a connection: nothing is raised, no book is wrong, and what follows is read."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec
import pytest

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.protocol import ParseRefused, RestRequest, read_answer, read_frame
from marketprism_domain.events.pipeline import FrameRefused
from tests.unit.adapters.venues.spoiling import Bench, spoilt

MARKETS_TRIED = tuple(MARKETS)


@pytest.mark.parametrize("market", MARKETS_TRIED)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.long_on("1")
def test_a_spoilt_field_of_any_frame_ends_nothing_and_leaves_no_book_wrong(market: str, seed: int) -> None:
    chance = random.Random(seed)
    bench = Bench(market, seed)
    for place in range(len(bench.frames())):
        bench.settle(1)
        frames = bench.frames()
        count = len(list(spoilt(frames[place], random.Random(1))))
        for which in range(count):
            frames = bench.frames()
            ways = list(spoilt(frames[place], chance))
            what, bad = ways[min(which, len(ways) - 1)]
            for number, frame in enumerate(frames):
                bench.take(bad if number == place else frame)
            bench.settle(2)
            bench.feed.on_clock(time.time_ns() + 10**10)  # holes that nobody fills are named
            bench.told()
            assert not bench.wrong, (what, bad[:300])
    assert bench.conclude() == []
    assert bench.desk.skipped
    told = [event for event in bench.desk.events if isinstance(event, FrameRefused)]
    assert {event.reason for event in told} <= set(bench.desk.skipped)
    assert told
    assert all(event.frames > 0 and event.error for event in told)


@pytest.mark.parametrize("market", MARKETS_TRIED)
def test_a_spoilt_answer_to_a_request_is_refused_and_nothing_else(market: str) -> None:
    bench = Bench(market, 1)
    symbol = next(iter(bench.books))
    requests: list[RestRequest] = [*bench.venue.instrument_requests(), bench.venue.snapshot_request(symbol)]
    trades = bench.venue.trades_request(symbol, 1, 10)
    requests += [trades] if trades is not None else []
    chance = random.Random(market)
    refused = 0
    for request in requests:
        body = bench.answer(request).decode()
        for _ in range(2):
            for _what, bad in spoilt(body, chance):
                parser = bench.venue.parser("test")
                try:
                    answer = read_answer(bench.venue, request, bad, time.time_ns(), parser)
                except ParseRefused as error:
                    refused += bool(str(error))
                else:
                    for _, snapshot in answer.snapshots:
                        bench.feed.books.of(symbol).sync.audit(snapshot)
    assert refused > 10


def trade(ts: int) -> bytes:
    data = {"e": "aggTrade", "E": ts, "s": "BTCUSDT", "a": 7, "p": "1", "q": "2", "f": 1, "l": 1, "T": ts, "m": True}
    return msgspec.json.encode({"stream": "btcusdt@aggTrade", "data": data})


NOW = 1_790_000_000_123_456_789


@pytest.mark.parametrize(
    ("ts", "read"),
    [
        (NOW // 10**6, NOW // 10**6 * 10**6),
        (NOW // 10**3, NOW // 10**3 * 10**3),
        (NOW, NOW),
        (NOW // 10**9, NOW // 10**9 * 10**9),
    ],
    ids=["ms", "us", "ns", "s"],
)
def test_a_time_is_read_in_whatever_unit_it_is_written(ts: int, read: int) -> None:
    (message,) = read_frame(MARKETS["binance"].make("", "").parser("test"), trade(ts), NOW)
    found: Any = message
    assert found.ts_event == read


@pytest.mark.parametrize("ts", [-5, 0, 5, 10**10, 10**17, 10**22, NOW // 10**6 + 3 * 86_400_000])
def test_what_is_no_time_of_today_is_refused_by_name(ts: int) -> None:
    with pytest.raises(ParseRefused, match=r"(T|event time of TradeMessage): expected (a time|one)") as caught:
        read_frame(MARKETS["binance"].make("", "").parser("test"), trade(ts), NOW)
    assert caught.value.reason == "time"
