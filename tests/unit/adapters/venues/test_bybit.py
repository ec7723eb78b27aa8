"""Bybit: numbers of trades, blocks, and the depth whose ids requests have too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from marketprism_adapters.venues.bybit.simulate import BybitDialect
from marketprism_adapters.venues.bybit.venue import Bybit
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook
from marketprism_application.contracts.venue_messages import TradeMessage
from marketprism_application.venues.protocol import FrameParser, ParseRefused, StreamKey
from marketprism_domain.books.chain import BookChange

NOW = 1_790_000_000_000_000_000
SEQ = 462_754_183_770  # of a linear contract
A_SEQ = 100_000


def frame(seq: int, places: Sequence[int], symbol: str = "BTCUSDT", **more: Any) -> bytes:
    """Trades of one sequence; the place is the id."""
    data = [
        {"T": 5, "s": symbol, "S": "Sell", "v": "2.0", "p": "1.50", "i": f"{seq}-{place}", "seq": seq, **more}
        for place in places
    ]
    return json.dumps({"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": 6, "data": data}).encode()


def numbers(parser: FrameParser, *frames: bytes) -> list[int]:
    items = [item for each in frames for item in parser.parse(each, NOW)]
    assert all(isinstance(item, TradeMessage) for item in items)
    return [item.seq for item in items]  # type: ignore[union-attr]


# A taker order of 1624 executions, and another one.
FRAMES = [frame(SEQ, range(1024)), frame(SEQ, range(1024, 1624)), frame(SEQ + 3, range(30))]


@pytest.fixture
def parser() -> FrameParser:
    return Bybit("spot").parser("test")


def test_trades_of_one_sequence_are_numbered_through_all_its_messages(parser: FrameParser) -> None:
    found = numbers(parser, *FRAMES)
    assert len(found) == 1654
    assert found == sorted(set(found))
    assert found[0] == SEQ * A_SEQ
    assert found[1623] == SEQ * A_SEQ + 1623
    assert found[1624] == (SEQ + 3) * A_SEQ
    assert found[-1] < 2**63


def test_trades_that_come_twice_have_one_number(parser: FrameParser) -> None:
    assert numbers(parser, *FRAMES) == numbers(parser, *FRAMES)


def test_trades_of_two_connections_that_take_turns_have_one_number(parser: FrameParser) -> None:
    first: list[int] = []
    second: list[int] = []
    for each in FRAMES:
        first += numbers(parser, each)
        second += numbers(parser, each)
    assert first == second
    assert first == sorted(set(first))


def test_a_message_that_one_connection_has_not_brought_goes_on_with_the_numbers(parser: FrameParser) -> None:
    before = numbers(parser, FRAMES[0])
    after = numbers(parser, FRAMES[2])
    late = numbers(parser, FRAMES[1])
    assert before[-1] < late[0] < late[-1] < after[0]


def test_instruments_are_numbered_for_themselves(parser: FrameParser) -> None:
    assert numbers(parser, frame(SEQ, [0]), frame(SEQ, [0], "ETHUSDT")) == [SEQ * A_SEQ] * 2


def test_an_old_sequence_is_forgotten_and_numbered_the_same_way_again(parser: FrameParser) -> None:
    before = numbers(parser, frame(SEQ, range(3)))
    for more in range(1, 400):
        numbers(parser, frame(SEQ + more, [0]))
    assert numbers(parser, frame(SEQ, range(3))) == before


def test_more_trades_of_one_sequence_than_there_are_numbers_are_refused(parser: FrameParser) -> None:
    for start in range(0, A_SEQ, 1_000):
        numbers(parser, frame(SEQ, range(start, start + 1_000)))
    with pytest.raises(ParseRefused, match="seq: expected at most 100000 trades of one"):
        numbers(parser, frame(SEQ, [A_SEQ]))
    assert numbers(parser, frame(SEQ + 1, [0])) == [(SEQ + 1) * A_SEQ]


def test_a_trade_without_a_sequence_names_it(parser: FrameParser) -> None:
    whole = json.loads(frame(SEQ, [0]))
    del whole["data"][0]["seq"]
    with pytest.raises(ParseRefused, match="missing required field `seq`"):
        parser.parse(json.dumps(whole).encode(), NOW)


@pytest.mark.parametrize(("more", "off_book"), [({}, False), ({"BT": False}, False), ({"BT": True}, True)])
def test_blocks_are_off_the_book(parser: FrameParser, more: dict[str, Any], off_book: bool) -> None:
    (made,) = parser.parse(frame(SEQ, [0], **more), NOW)
    trade: Any = made
    assert trade.off_book is off_book


@pytest.mark.parametrize("category", ["spot", "linear"])
def test_books_are_of_the_depth_whose_ids_requests_have(category: str) -> None:
    venue, dialect = Bybit(category), BybitDialect(category, ("BTC",))
    (pair,) = dialect.pairs
    key = StreamKey("orderbook", pair.symbol)
    (group,) = venue.groups([key])
    assert group.streams == {"orderbook.1000.BTCUSDT": key}
    book = SimulatedBook(pair, "seed", levels=1_200)
    begun = dialect.begins(pair, book, "orderbook.1000.BTCUSDT")
    assert begun is not None
    parser = venue.parser("test")
    (change,) = parser.parse(begun.encode(), NOW)
    assert isinstance(change, BookChange)
    request = venue.snapshot_request(pair.symbol)
    assert request.parameters["limit"] == "1000"
    reply = dialect.get(request.path, request.parameters, {pair.symbol: book}, old=False)
    answer = venue.answer(request.path, request.parameters, json.dumps(reply.body).encode(), NOW, parser)
    ((symbol, snapshot),) = answer.snapshots
    assert (symbol, snapshot.last_id, len(snapshot.bids)) == (pair.symbol, change.last_id, 1_000)
    assert (snapshot.cut_at, change.cut_at) == (1_000, 1_000)
    assert list(map(tuple, snapshot.bids)) == list(map(tuple, change.bids))


def test_a_depth_that_the_venue_does_not_have_is_refused() -> None:
    venue, dialect = Bybit("spot"), BybitDialect("spot", ("BTC",))
    said = dialect.on_message(venue.subscribe(["orderbook.500.BTCUSDT"], 1).decode())
    assert "handler not found" in said.answers[0]
    assert not said.added
