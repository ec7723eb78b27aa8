"""A live book on the wire: the map that it always was, and what may be asked."""

from __future__ import annotations

import msgspec
import pytest

from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.questions import LatestBars
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.service._bodies import decoded


@pytest.mark.parametrize("valid", [True, False])
def test_a_book_is_the_map_that_it_always_was(valid: bool) -> None:
    shown = {
        "venue": "okx",
        "symbol": "BTC-USDT",
        "valid": valid,
        "seq": 7,
        "ts_event": 1,
        "ts_recv": 2,
        "bids": [("10.5", "0.25")] if valid else [],
        "asks": [],
        "bid_floor": "10.5",
        "ask_ceiling": None,
    }
    view = BookView("okx", "BTC-USDT", valid, 7, 1, 2, [("10.5", "0.25")] if valid else [], [], "10.5", None)
    assert msgspec.msgpack.encode(view) == msgspec.msgpack.encode(shown)
    assert msgspec.json.encode(view) == msgspec.json.encode(shown)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(shown), type=BookView) == view


def test_a_request_is_the_list_that_it_always_was() -> None:
    asked = BookRequest("okx", "BTC-USDT", 0)
    assert msgspec.msgpack.encode(asked) == msgspec.msgpack.encode(["okx", "BTC-USDT", 0])
    assert decoded(["okx", "BTC-USDT", 0], BookRequest, "orderbook") == asked


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (BookRequest, None, "body: expected array"),
        (BookRequest, [], "body: expected array of at"),
        (BookRequest, ["okx", "BTC-USDT"], "body: expected array of at"),
        (BookRequest, ["okx", "B", 0, 1], "body: expected array of at"),
        (BookRequest, ["okx", 5, 0], "symbol: expected str, was int"),
        (BookRequest, ["okx", "B", True], "depth: expected int, was bool"),
        (BookRequest, ["okx", "B", -1], "depth: expected int >= 0"),
        (BookRequest, ["okx", "B", 10_001], "depth: expected int <= 10000"),
        (LatestBars, ["rb2505"], "body: expected array of at"),
        (LatestBars, ["", "1m"], "symbol: expected str of length >= 1"),
        (LatestBars, ["rb2505", 1], "interval: expected str, was int"),
    ],
)
def test_a_body_that_is_no_request_is_refused(kind: type, body: object, text: str) -> None:
    with pytest.raises(RemoteError, match=text) as refused:
        decoded(body, kind, "query")
    assert refused.value.code == "INVALID_PARAMETER"
