"""What several connections and sources of one feed bring: best prices, liquidations, mark prices."""

from __future__ import annotations

from typing import Any

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.venue_messages import LiquidationMessage, TickerMessage
from marketprism_application.venues.feed import FeedSettings, VenueFeed
from marketprism_application.venues.protocol import Quote
from marketprism_domain.books.chain import BookChange
from marketprism_domain.books.sync import BookSnapshot

S = "BTC-USDT"
SECOND = 1_000_000_000


def feed() -> VenueFeed:
    return VenueFeed(MARKETS["binance"].make("", ""), "src", settings=FeedSettings(quote_ms=0))


def quote(book_id: int, ts: int = 0, price: str = "") -> Quote:
    return Quote("binance", S, ts or book_id, ts or book_id, book_id, price or str(book_id), "1", str(book_id + 1), "1")


def test_best_prices_of_two_connections_never_go_back() -> None:
    made = feed()
    for path, ids in (("a", (100, 105)), ("b", (100, 105, 107)), ("a", (107, 108))):
        for book_id in ids:
            made.on_item(quote(book_id), path)
    assert [int(tick.bids[0].price) for tick in made.collect().ticks] == [100, 105, 107, 108]
    assert made.repeats == 3


def test_best_prices_without_ids_go_by_their_time() -> None:
    made = feed()
    for ts in (5, 7, 6, 7):
        made.on_item(quote(0, ts, str(ts)), "a")
    assert [int(tick.bids[0].price) for tick in made.collect().ticks] == [5, 7, 7]


def test_ids_that_begin_anew_are_followed() -> None:
    made = feed()
    made.on_item(quote(1_000_000, SECOND))
    made.on_item(quote(5, 2 * SECOND))  # soon after: from a connection that lags
    made.on_item(quote(6, 60 * SECOND))
    assert [tick.ts_event for tick in made.collect().ticks] == [SECOND, 60 * SECOND]


def liquidation(seq: int) -> Any:
    return LiquidationMessage(1, "okx", S, "src", 0, seq, seq, seq, 0, "sell", "1", "2", "bankruptcy", True)


def test_liquidations_come_in_no_order_and_each_is_told_once() -> None:
    made = feed()
    for seq in (200, 100, 200, 300, 100):
        made.on_item(liquidation(seq))
    assert [message.seq for message in made.collect().messages] == [200, 100, 300]
    assert made.repeats == 2


def test_mark_prices_and_statistics_have_times_of_their_own() -> None:
    made = feed()
    made.on_item(TickerMessage(1, "binance", S, "src", 0, 10, 10, 10, 0, mark_price="5"))
    made.on_item(TickerMessage(1, "binance", S, "src", 0, 8, 8, 8, 0, last="5"))
    made.on_item(TickerMessage(1, "binance", S, "src", 0, 8, 8, 9, 0, last="5"))
    assert [message.seq for message in made.collect().messages] == [10, 8]


def change(number: int, ts: int, bid: str) -> BookChange:
    return BookChange("binance", S, ts, ts, number, number, None, [(bid, "1")], [("900", "1")])


def test_the_last_change_of_a_book_before_a_market_goes_quiet_is_a_tick() -> None:
    made = VenueFeed(MARKETS["binance"].make("", ""), "src", settings=FeedSettings(quote_ms=250))
    made.on_item(change(1, SECOND, "100"))
    assert made.books.on_snapshot(S, BookSnapshot(1, SECOND, SECOND, [("100", "1")], [("900", "1")]))
    for number, ts, bid in ((2, 2 * SECOND, "101"), (3, 2 * SECOND + 1, "102"), (4, 2 * SECOND + 2, "103")):
        made.on_item(change(number, ts, bid))
    assert [int(tick.bids[0].price) for tick in made.collect().ticks] == [101]
    made.on_clock(2 * SECOND + 3)
    assert made.collect().ticks == [], "not more often than every 250 ms"
    made.on_clock(3 * SECOND)
    made.on_clock(4 * SECOND)
    (tick,) = made.collect().ticks
    assert (int(tick.bids[0].price), tick.ts_event) == (103, 2 * SECOND + 2)
    made.on_item(change(5, 4 * SECOND, "104"))
    made.on_item(change(6, 4 * SECOND + 1, "105"))
    made.books.lose(S, "disconnected", unheard=True)
    made.collect()
    made.on_clock(9 * SECOND)
    assert made.collect().ticks == [], "nothing of a book that is not known"
