"""Numbers that no table can hold are refused where they come in, whatever the venue and the field."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from marketprism_adapters.venues.kit.numbers import check_levels, from_number, number
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.venue_messages import TradeMessage
from marketprism_application.venues.protocol import Control, ParseRefused, RestRequest, read_answer, read_frame
from marketprism_application.venues.tick_maker import TickMaker
from marketprism_domain.values import check_decimal
from tests.unit.adapters.venues.spoiling import Bench, _encode, _places

TEXTS = (
    "9" * 25,
    "1e25",
    "1e-30",
    "1e400",
    "-" + "9" * 25,
    "0." + "1" * 19,
    "NaN",
    "Infinity",
    "-inf",
    "1_0",
    "\u0661",
)


def number_places(frame: str) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Where prices and amounts stand, and whether as a text."""
    held = json.loads(frame, parse_float=Decimal)
    for place in _places(held):
        value = held
        for step in place:
            value = value[step]
        if isinstance(value, Decimal) or (
            isinstance(value, str) and "." in value and value.replace(".", "").isdecimal()
        ):
            yield place, isinstance(value, str)


def spoilt(frame: str, place: tuple[Any, ...], value: Any) -> bytes:
    held = json.loads(frame, parse_float=Decimal)
    at = held
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    encoded: bytes = _encode(held)
    return encoded


def numbers_of(found: Any) -> Iterator[Decimal]:
    """Every number in an item: those of its fields, and those of its levels."""
    for value in found if isinstance(found, tuple | list) else msgspec.structs.astuple(found):
        if isinstance(value, Decimal):
            yield value
        elif isinstance(value, str) and value[:1] in "-.0123456789" and value.strip("-.0123456789eE+_") == "" and value:
            yield Decimal(value)
        elif isinstance(value, tuple | list):
            yield from numbers_of(value)


def check(items: Any, what: Any) -> None:
    for item in items:
        if type(item) is not Control:
            for value in numbers_of(item):
                assert check_decimal(value, str(what)) == value


@pytest.mark.parametrize("market", MARKETS)
def test_a_number_of_a_frame_that_has_no_room_is_refused(market: str) -> None:
    bench = Bench(market, 5)
    refused = 0
    for frame in bench.frames():
        for place, text in number_places(frame):
            for bad in TEXTS:
                value: Any = bad
                if not text:
                    if bad.strip("-.0123456789e"):
                        continue
                    value = Decimal(bad)
                try:
                    items = read_frame(bench.venue.parser("test"), spoilt(frame, place, value), time.time_ns())
                except ParseRefused as error:
                    refused += error.reason in ("number", "field", "malformed")
                else:
                    check(items, (place, bad))
    assert refused > 30


@pytest.mark.parametrize("market", MARKETS)
def test_a_number_of_an_answer_that_has_no_room_is_refused(market: str) -> None:
    bench = Bench(market, 6)
    symbol = next(iter(bench.books))
    requests: list[RestRequest] = [bench.venue.snapshot_request(symbol)]
    trades = bench.venue.trades_request(symbol, 1, 10)
    requests += [trades] if trades is not None else []
    for request in requests:
        body = bench.answer(request).decode()
        for place, text in list(number_places(body))[:12]:
            for bad in TEXTS:
                if not text and bad.strip("-.0123456789e"):
                    continue
                held = spoilt(body, place, bad if text else Decimal(bad))
                try:
                    answer = read_answer(bench.venue, request, held, time.time_ns(), bench.venue.parser("test"))
                except ParseRefused:
                    continue
                check(answer.items, (place, bad))
                for _, snapshot in answer.snapshots:
                    check([(snapshot.bids, snapshot.asks)], (place, bad))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("99999999999999999999", "99999999999999999999"),
        ("0.123456789012345678", "0.123456789012345678"),
        ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        ("0." + "5" + "0" * 30, "0.500000000000000000"),
        ("1e-18", "0.000000000000000001"),
        ("1E+5", "100000"),
        ("-0.5", "-0.5"),
        ("0e-99", "0"),
        ("0.000000000000000000000", "0"),
    ],
)
def test_what_has_room_is_the_same_number(text: str, read: str) -> None:
    assert Decimal(number(text, "p")) == Decimal(read)
    found = from_number(Decimal(text))
    assert found is not None
    assert Decimal(found) == Decimal(read)
    for written in (number(text, "p"), found):
        assert "e" not in written.lower()
        assert len(written.partition(".")[2]) <= 18


@pytest.mark.parametrize("part", ["9" * 21, "0." + "1" * 19, "x", "-1", "0." + "1" + "0" * 20])
@pytest.mark.parametrize("place", [0, 1])
def test_a_level_without_room_is_refused_by_name(part: str, place: int) -> None:
    level = ["1.5", "2.5"]
    level[place] = part
    with pytest.raises(ParseRefused, match="bids: expected"):
        check_levels([["1", "2"], level], "bids")


def test_the_turnover_of_a_trade_has_room() -> None:
    trade = TradeMessage(1, "x", "A-B", "s", 0, 1, 1, 1, 0, "1", "0.123456789012", "3.987654321098", "buy", None, 1, 1)
    made = TickMaker(lambda _, price, quantity: price * quantity).on_trade(trade)
    assert made is not None
    assert made.traded_turnover is not None
    check_decimal(made.traded_turnover, "traded_turnover")
    assert abs(made.traded_turnover - Decimal(trade.price) * Decimal(trade.quantity)) <= Decimal("1e-18")
