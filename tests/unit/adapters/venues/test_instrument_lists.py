"""Rows of a venue's instrument list whose names are no names here."""

from __future__ import annotations

import msgspec
import pytest

from marketprism_adapters.venues.kit.instrument_lists import listed
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.protocol import ParseRefused
from marketprism_domain.marketdata.instrument_record import InstrumentRecord


class Row(msgspec.Struct):
    """Of a list: a name."""

    name: str


def terms(row: Row) -> InstrumentRecord:
    return InstrumentRecord("bybit", row.name, "x", 0, 0, 0, 0, 0, "BTC-USDT", "spot")


def rows(*names: str) -> list[msgspec.Raw]:
    return [msgspec.Raw(msgspec.json.encode(Row(name))) for name in names]


def test_a_name_that_is_no_symbol_leaves_out_that_instrument_alone() -> None:
    parser = MARKETS["bybit"].make("", "").parser("x")
    answer = listed(rows("BTC-USDT", "X" * 65, "A\nB"), Row, terms, parser, "list")
    assert [item.symbol for item in answer.instruments] == ["BTC-USDT"]
    assert [text.partition(", was")[0] for text in answer.refused] == [
        "list: symbol: expected 1 to 64 printable characters without outer space"
    ] * 2


def test_a_list_of_no_names_at_all_is_refused() -> None:
    parser = MARKETS["bybit"].make("", "").parser("x")
    with pytest.raises(ParseRefused, match="expected instruments, none can be read: list: symbol: expected"):
        listed(rows(""), Row, terms, parser, "list")
