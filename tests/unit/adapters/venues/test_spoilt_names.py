"""A frame that names no instrument, or another than the stream that it came on, is refused by the name of the field."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from marketprism_adapters.venues.kit.instrument_names import checked_name
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.protocol import ParseRefused, read_frame
from tests.unit.adapters.venues.spoiling import Bench, _encode

NO_NAMES = ["", " ", "5 ", "-1", "a b", "\x00", "\x1b[31mred", "[bold]x[/]", 'a"b', "x" * 5_000, "\U0001f600"]
FIELDS = {"s", "instId", "instrument_name", "symbol"}


def named(held: Any, name: str) -> bool:
    """Put a name where the data have theirs; False where they have none."""
    found = False
    for key, value in list(held.items()) if isinstance(held, dict) else list(enumerate(held)):
        if key in FIELDS and isinstance(value, str):
            held[key], found = name, True
        elif isinstance(value, dict | list) and key != "arg":
            found = named(value, name) or found
    return found


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", [*NO_NAMES, "another"])
def test_what_names_no_instrument_or_another_one_is_refused(market: str, name: str) -> None:
    bench = Bench(market, 1)
    tried = 0
    for frame in bench.frames():
        held = json.loads(frame, parse_float=Decimal)
        whole = held.get("arg", {}).get("instId", "") if market == "okx" else "x"
        if not whole or not named(held, "ZECUSDT" if name == "another" else name):
            continue  # of all instruments, or a frame whose envelope alone has the name
        tried += 1
        parser = MARKETS[market].make("", "").parser("test")
        with pytest.raises(ParseRefused) as caught:
            read_frame(parser, _encode(held), 1_900_000_000_000_000_000)
        assert str(caught.value).startswith(tuple(f"{field}: expected" for field in FIELDS)), frame
    assert tried


@pytest.mark.parametrize(
    "name",
    [
        "BTCUSDT",
        "1000SHIBUSDT",
        "\u5e01\u5b89\u4eba\u751fUSDT",
        "BTC-FS-27MAR26_PERP",
        "4USDT",
        "XRP_USDC-28MAR26-1d02-C",
    ],
)
def test_the_forms_that_venues_have_are_names(name: str) -> None:
    assert checked_name(name, "s") == name


@pytest.mark.parametrize("market", ["okx", "deribit"])
def test_a_push_without_data_is_refused(market: str) -> None:
    bench = Bench(market, 1)
    parser = MARKETS[market].make("", "").parser("test")
    for frame in bench.frames():
        held = json.loads(frame, parse_float=Decimal)
        inner = held["params"] if market == "deribit" else held
        if not isinstance(inner.get("data"), list):
            continue
        inner["data"] = []
        with pytest.raises(ParseRefused, match="data: expected at least one") as caught:
            read_frame(parser, _encode(held), 1_900_000_000_000_000_000)
        assert caught.value.reason == "missing"
