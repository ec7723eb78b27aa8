"""Any time of any frame or answer of any venue, written in another way: read as the time it is, or refused by name."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.protocol import Control, ParseRefused, RestRequest, read_answer, read_frame
from tests.unit.adapters.venues.spoiling import Bench, _encode, _places

DAY_MS = 86_400_000
# By what they do to a time in milliseconds; those of the first are the same time.
SAME: dict[str, Callable[[int], Any]] = {
    "us": lambda ms: ms * 1_000,
    "ns": lambda ms: ms * 1_000_000,
}
OTHER: dict[str, Callable[[int], Any]] = {
    "s": lambda ms: ms // 1_000,
    "float s": lambda ms: ms / 1_000,
    "float ms": lambda ms: ms + 0.5,
    "text": str,
    "ISO": lambda ms: datetime.fromtimestamp(ms / 1_000, UTC).isoformat(),
    "negative": lambda ms: -ms,
    "zero": lambda _: 0,
    "far future": lambda ms: ms + 400 * DAY_MS,
    "far past": lambda _: 86_400_000 * 3,
    "no unit": lambda ms: ms * 31,
    "huge": lambda _: 10**40,
    "nothing": lambda _: None,
    "empty": lambda _: "",
    "list": lambda ms: [ms],
    "object": lambda ms: {"ms": ms},
    "true": lambda _: True,
    "words": lambda _: "yesterday",
}


def time_places(frame: str) -> Iterator[tuple[tuple[Any, ...], int, bool]]:
    """Where times of these days stand: the place, milliseconds, whether as a text."""
    held, now = json.loads(frame, parse_float=Decimal), time.time_ns() // 1_000_000
    for place in _places(held):
        value = held
        for step in place:
            value = value[step]
        text = isinstance(value, str) and value.isdecimal()
        if (text or type(value) is int) and abs(int(value) - now) < 500 * DAY_MS:
            yield place, int(value), text


def changed(frame: str, place: tuple[Any, ...], value: Any) -> bytes:
    held = json.loads(frame, parse_float=Decimal)
    at = held
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    encoded: bytes = _encode(held)
    return encoded


def stamps(items: Any) -> list[int]:
    return [item.ts_event // 1_000_000 for item in items if not isinstance(item, Control)]


def bare(items: Any) -> list[Any]:
    """Without what is counted by the reader."""
    return [item for item in items if not isinstance(item, Control)]


def name_of(place: tuple[Any, ...]) -> str:
    return next((step for step in reversed(place) if isinstance(step, str)), "")


def check_refusal(error: ParseRefused, place: tuple[Any, ...], what: str) -> None:
    assert what not in SAME, (what, place, error)
    assert error.reason in ("time", "field", "number", "missing", "malformed"), (what, place, error)
    assert name_of(place) in str(error) or "event time of" in str(error), (what, place, str(error))
    assert len(str(error)) < 600


@pytest.mark.parametrize("market", MARKETS)
def test_a_time_of_a_frame(market: str) -> None:
    bench = Bench(market, 3)
    seen = 0
    for frame in bench.frames():
        whole = bare(read_frame(bench.venue.parser("test"), frame.encode(), time.time_ns()))
        for place, ms, text in time_places(frame):
            seen += 1
            for what, make in {**SAME, **OTHER}.items():
                value = make(ms)
                value = str(value) if text and isinstance(value, int | float) else value
                bad = changed(frame, place, value)
                try:
                    found = bare(read_frame(bench.venue.parser("test"), bad, time.time_ns()))
                except ParseRefused as error:
                    check_refusal(error, place, what)
                    continue
                if what in SAME:
                    assert stamps(found) == stamps(whole), (what, place)
                else:  # it is a time that is read in its unit, or one that is none of the items' own
                    assert len(found) == len(whole), (what, place)
                    for mine, theirs in zip(stamps(found), stamps(whole), strict=True):
                        assert abs(mine - theirs) < DAY_MS, (what, place, mine, theirs)
    assert seen > 3


@pytest.mark.parametrize("market", MARKETS)
def test_a_time_of_an_answer(market: str) -> None:
    bench = Bench(market, 4)
    symbol = next(iter(bench.books))
    requests: list[RestRequest] = [*bench.venue.instrument_requests(), bench.venue.snapshot_request(symbol)]
    trades = bench.venue.trades_request(symbol, 1, 10)
    requests += [trades] if trades is not None else []
    requests += [poll.request for poll in bench.venue.polls(list(bench.connection.streams.values()))]
    for request in requests:
        body = bench.answer(request).decode()
        for place, ms, text in time_places(body):
            for what, make in {**SAME, **OTHER}.items():
                value = make(ms)
                value = str(value) if text and isinstance(value, int | float) else value
                try:
                    answer = read_answer(
                        bench.venue, request, changed(body, place, value), time.time_ns(), bench.venue.parser("test")
                    )
                except ParseRefused as error:
                    check_refusal(error, place, what)
                    continue
                for refusal in answer.refused:
                    assert name_of(place) in refusal, (what, place, refusal)
                for _, snapshot in answer.snapshots:
                    assert abs(snapshot.ts_event // 1_000_000 - time.time_ns() // 1_000_000) < 2 * DAY_MS, (what, place)
