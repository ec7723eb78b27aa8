"""Deribit: when a bar has closed, which channels were taken, what was traded off the book."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from marketprism_adapters.venues.deribit.simulate import DeribitDialect
from marketprism_adapters.venues.deribit.venue import Deribit
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedTrade
from marketprism_application.contracts.venue_messages import KlineMessage
from marketprism_application.venues.protocol import Control, Item, ParseRefused, StreamKey

NOW = 1_790_000_000_000_000_000
T0 = 1_790_812_800_000
CHART = "chart.trades.BTC-PERPETUAL.1"


def push(channel: str, data: Any) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    ).encode()


def bar(tick: int, close: float = 1.5, channel: str = CHART) -> bytes:
    data = {"tick": tick, "open": 1.5, "high": 2.5, "low": 1.0, "close": close, "volume": 3.0, "cost": 30.0}
    return push(channel, {**data, "status": "ok"})


def answer(
    venue: Deribit, streams: Sequence[str], taken: Sequence[str], *, undo: bool = False, number: int = 1
) -> bytes:
    asked = json.loads(venue.subscribe(streams, number, undo=undo))
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": list(taken), "usIn": 1, "usOut": 2}).encode()


def klines(items: Sequence[Item]) -> list[tuple[int, str, bool]]:
    found = [item for item in items if isinstance(item, KlineMessage)]
    return [(each.ts_open // 1_000_000, each.close, each.closed) for each in found]


# -- klines ------------------------------------------------------------------------------------------------------------


def test_a_bar_has_closed_when_the_next_one_begins() -> None:
    parser = Deribit().parser("test")
    assert klines(parser.parse(bar(T0), NOW)) == [(T0, "1.5", False)]
    assert klines(parser.parse(bar(T0, 2.0), NOW)) == [(T0, "2.0", False)]
    assert klines(parser.parse(bar(T0 + 60_000), NOW)) == [(T0, "2.0", True), (T0 + 60_000, "1.5", False)]


def test_a_bar_whose_next_one_is_missing_is_not_told_as_closed() -> None:
    parser = Deribit().parser("test")
    parser.parse(bar(T0), NOW)
    assert klines(parser.parse(bar(T0 + 120_000), NOW)) == [(T0 + 120_000, "1.5", False)]
    assert klines(parser.parse(bar(T0 + 180_000), NOW))[0] == (T0 + 120_000, "1.5", True)


def test_a_bar_that_ran_when_its_channel_was_subscribed_anew_is_not_told_as_closed() -> None:
    venue = Deribit()
    parser = venue.parser("test")
    parser.parse(answer(venue, [CHART], [CHART]), NOW)
    parser.parse(bar(T0), NOW)
    venue.subscribe([CHART], 1)  # of another connection, whose answer may come behind the first bar
    assert klines(parser.parse(bar(T0 + 60_000), NOW)) == [(T0 + 60_000, "1.5", False)]
    assert klines(parser.parse(bar(T0 + 120_000), NOW))[0] == (T0 + 60_000, "1.5", True)


def test_a_bar_that_ran_when_another_channel_was_subscribed_is_not_touched() -> None:
    venue = Deribit()
    parser = venue.parser("test")
    parser.parse(bar(T0), NOW)
    parser.parse(answer(venue, ["trades.BTC-PERPETUAL.100ms"], ["trades.BTC-PERPETUAL.100ms"]), NOW)
    parser.parse(answer(venue, [CHART], [CHART], undo=True), NOW)  # of the connection that another has followed
    assert klines(parser.parse(bar(T0 + 60_000), NOW))[0] == (T0, "1.5", True)


def test_a_bar_that_ran_when_frames_were_lost_is_not_told_as_closed() -> None:
    parser = Deribit().parser("test")
    parser.parse(bar(T0), NOW)
    parser.lost()
    assert klines(parser.parse(bar(T0 + 60_000), NOW)) == [(T0 + 60_000, "1.5", False)]


def test_a_connection_that_lags_does_not_open_a_bar_again() -> None:
    parser = Deribit().parser("test")
    parser.parse(bar(T0), NOW)
    parser.parse(bar(T0 + 60_000), NOW)
    assert parser.parse(bar(T0), NOW) == (Control("ignored", CHART, "a bar that another has followed"),)
    assert klines(parser.parse(bar(T0 + 120_000), NOW))[0] == (T0 + 60_000, "1.5", True)


@pytest.mark.parametrize(
    ("interval", "resolution", "minutes"),
    [("1m", "1", 1), ("30m", "30", 30), ("1h", "60", 60), ("3h", "180", 180), ("12h", "720", 720), ("1d", "1D", 1440)],
)
def test_an_interval_is_read_back_from_its_resolution(interval: str, resolution: str, minutes: int) -> None:
    key = StreamKey("kline", "BTC-USD-PERP", interval)
    (group,) = Deribit().groups([key])
    assert group.streams == {f"chart.trades.BTC-PERPETUAL.{resolution}": key}
    (made,) = Deribit().parser("test").parse(bar(T0, channel=f"chart.trades.BTC-PERPETUAL.{resolution}"), NOW)
    kline: Any = made
    assert (kline.interval, kline.ts_close - kline.ts_open) == (interval, minutes * 60_000_000_000)


def test_a_resolution_that_the_venue_does_not_have_is_refused() -> None:
    with pytest.raises(ParseRefused, match=r"channel: expected one of 1, 3, .*1D, was '240'"):
        Deribit().parser("test").parse(bar(T0, channel="chart.trades.BTC-PERPETUAL.240"), NOW)


def test_an_interval_that_the_venue_does_not_have_is_left_out_and_told_once(logs: list[Any]) -> None:
    venue = Deribit()
    keys = [StreamKey("kline", "BTC-USD-PERP", interval) for interval in ("4h", "1w", "1s", "1d")]
    found = [name for _ in range(2) for group in venue.groups(keys) for name in group.streams]
    assert found == ["chart.trades.BTC-PERPETUAL.1D"] * 2
    assert [(entry["log_level"], entry["interval"]) for entry in logs] == [
        ("warning", "4h"),
        ("warning", "1w"),
        ("warning", "1s"),
    ]
    assert "3h" in logs[0]["expected"]


# -- subscriptions -----------------------------------------------------------------------------------------------------

TRADES, NOPE = "trades.BTC-PERPETUAL.100ms", "trades.NOPE.100ms"


def test_an_answer_that_lists_every_channel_is_one_item() -> None:
    venue = Deribit()
    (made,) = venue.parser("test").parse(answer(venue, [TRADES, CHART], [CHART, TRADES], number=5), NOW)
    assert isinstance(made, Control)
    assert (made.what, made.stream) == ("subscribed", "5")


def test_channels_that_an_answer_leaves_out_were_refused() -> None:
    venue = Deribit()
    parser = venue.parser("test")
    first = answer(venue, [TRADES, NOPE], [TRADES], number=1)
    other = answer(venue, [CHART], [], number=1)  # another connection, which counts for itself
    found: list[Any] = list(parser.parse(other, NOW))
    assert [(item.what, item.stream) for item in found] == [("refused", CHART)]
    found = list(parser.parse(first, NOW))
    assert [(item.what, item.stream) for item in found] == [("refused", NOPE), ("subscribed", "1")]


def test_an_error_refuses_every_channel_of_the_request() -> None:
    venue = Deribit()
    asked = json.loads(venue.subscribe([TRADES, CHART], 1))
    frame = {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": 10028, "message": "too_many_requests"}}
    found: list[Any] = list(venue.parser("test").parse(json.dumps(frame).encode(), NOW))
    assert [(item.what, item.stream) for item in found] == [("refused", TRADES), ("refused", CHART)]
    assert "too_many_requests" in found[0].text


def test_the_end_of_a_subscription_is_one_item() -> None:
    venue = Deribit()
    (made,) = venue.parser("test").parse(answer(venue, [TRADES, CHART], [TRADES], undo=True, number=9), NOW)
    assert isinstance(made, Control)
    assert (made.what, made.stream) == ("unsubscribed", "9")


@pytest.mark.parametrize("result", ["ok", ["a"], [{"a": 1}], None])
def test_an_answer_to_something_else_is_one_item(result: Any) -> None:
    frame = json.dumps({"jsonrpc": "2.0", "id": 8211, "result": result}).encode()
    assert len(Deribit().parser("test").parse(frame, NOW)) == 1


def test_the_simulated_venue_leaves_out_what_there_is_not() -> None:
    venue = Deribit()
    wanted = [TRADES, NOPE, CHART, "chart.trades.BTC-PERPETUAL.240", "nothing.BTC-PERPETUAL"]
    said = DeribitDialect(("BTC",)).on_message(venue.subscribe(wanted, 2).decode())
    assert list(said.added) == [TRADES, CHART]
    found: list[Any] = list(venue.parser("test").parse(said.answers[0].encode(), NOW))
    assert [item.stream for item in found if item.what == "refused"] == [NOPE, *wanted[3:]]


def test_the_simulated_venue_pushes_bars() -> None:
    dialect = DeribitDialect(("BTC",))
    (pair,), book = dialect.pairs, SimulatedBook(dialect.pairs[0], "seed")
    parser = Deribit().parser("test")
    found: list[Item] = []
    for ts_ms, price in ((T0 + 1_000, "5.00"), (T0 + 2_000, "7.00"), (T0 + 60_000, "6.00")):
        dialect.trade(pair, SimulatedTrade(1, ts_ms, price, "2", sell=False))
        for stream, frame in dialect.others(pair, book, ts_ms):
            if stream == CHART:
                found += parser.parse(frame.encode(), NOW)
    assert klines(found) == [(T0, "5.00", False), (T0, "7.00", False), (T0, "7.00", True), (T0 + 60_000, "6.00", False)]


def test_no_cadence_is_promised() -> None:
    assert Deribit().cadence_s == {}


# -- trades ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "off_book"),
    [
        ({}, False),
        ({"block_trade_id": "BLOCK-289556", "block_trade_leg_count": 2}, True),
        ({"block_rfq_id": 12}, True),
        ({"block_trade_id": None, "block_rfq_id": None}, False),
        ({"combo_id": "BTC-CS-1", "combo_trade_id": 3.0}, False),
    ],
)
def test_blocks_are_off_the_book_and_in_the_numbers(more: dict[str, Any], off_book: bool) -> None:
    data = {
        "trade_seq": 9,
        "trade_id": "x",
        "timestamp": 5,
        "price": 1.5,
        "instrument_name": "BTC-PERPETUAL",
        "direction": "sell",
        "amount": 2.0,
        **more,
    }
    (made,) = Deribit().parser("test").parse(push(TRADES, [data]), NOW)
    trade: Any = made
    assert (trade.seq, trade.off_book) == (9, off_book)
