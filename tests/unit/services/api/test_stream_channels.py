"""Channels of the live stream: names, tokens, requests, and what one client holds of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_application.access.principal import LOCAL
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.subjects import subject_of
from marketprism_sdk.observability import Metrics
from marketprism_services.api.stream.channel import Channel
from marketprism_services.api.stream.channel_names import (
    ChannelError,
    covers,
    facts_of,
    filters_of,
    overlap,
    parse_channel,
)
from marketprism_services.api.stream.client import Client
from marketprism_services.api.stream.messages import (
    ChannelRequest,
    MalformedRequest,
    Subscribe,
    is_nested_deeper,
    request_of,
)
from marketprism_services.api.stream.outlet import Outlet
from marketprism_services.api.stream.settings import Budget, StreamSettings
from marketprism_services.api.stream.tokens import Token, TokenError, incarnation_of
from marketprism_services.api.stream.updates import Update
from marketprism_services.api.stream.wires import JsonWire
from tests.contract.test_codec import SAMPLES

# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_channels(name: str) -> None:
    kind = KINDS[name]
    subject = subject_of(kind, SAMPLES[name])
    found = parse_channel(subject)
    assert (found.stream, found.kinds, found.is_exact) == (kind.stream, (kind,), True)
    assert facts_of(subject).kind == name


@pytest.mark.parametrize(
    ("text", "kinds", "venue", "symbol", "is_state"),
    [
        ("market.tick.rb2605", ["tick"], None, "rb2605", True),
        ("market.tick.>", ["tick"], None, None, True),
        ("market.bar.1m.rb2605", ["bar"], None, "rb2605", False),
        ("market.bar.*.*", ["bar"], None, None, False),
        ("market.okx.BTC-USDT.trade", ["trade"], "okx", "BTC-USDT", False),
        ("market.*.BTC-USDT-PERP.orderbook.top", ["book_top"], None, "BTC-USDT-PERP", True),
        ("market.gap.>", ["gap"], None, None, False),
        ("market.gap.okx.a=2Fb", ["gap"], "okx", "a/b", False),
        ("market.okx.*.orderbook", ["orderbook"], "okx", None, False),
        ("market.*.*.kline.1m", ["kline"], None, None, False),
    ],
)
def test_names_of_channels(text: str, kinds: list[str], venue: str | None, symbol: str | None, is_state: bool) -> None:
    found = parse_channel(text)
    assert [kind.name for kind in found.kinds] == kinds
    assert (found.venue, found.symbol, found.is_state) == (venue, symbol, is_state)


def test_all_of_an_instrument_is_no_state() -> None:
    found = parse_channel("market.okx.BTC-USDT.>")
    assert {"trade", "ticker", "orderbook", "book_top"} <= {kind.name for kind in found.kinds}
    assert (found.venue, found.symbol, found.is_state) == ("okx", "BTC-USDT", False)


@pytest.mark.parametrize(
    "text",
    [
        *("", "market", "market.tick", "market.>", "market.*", "market.tick.", "market..rb", "market.tick.>.x"),
        *("market.raw.3", "market.packed.3", "market.tick.r b", "market.tick.rb\r\nSUB", "market.tick.r*", "$KV.x.y"),
        *(
            "market.okx.BTC.nothing",
            "market.bar.1m.x.y",
            "fence.data.x",
            "market.gap.okx.=zz",
            "market.tick." + "x" * 200,
        ),
    ],
)
def test_what_is_no_channel(text: str) -> None:
    with pytest.raises(ChannelError, match=r"^ch: (expected|subject token)"):
        parse_channel(text)


PATTERNS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4).flatmap(
    lambda tokens: st.sampled_from([tuple(tokens), (*tokens, ">")])
)
SUBJECTS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=5).map(tuple)


@given(PATTERNS, PATTERNS, SUBJECTS)
def test_patterns_that_match_one_subject_overlap(first: Any, second: Any, subject: Any) -> None:
    both = covers(first, subject) and covers(second, subject)
    assert overlap(first, second) or not both
    if covers(first, second) and covers(second, subject):
        assert covers(first, subject)


def test_filters_never_overlap() -> None:
    def filters(*texts: str, most: int = 200) -> list[str]:
        names = [parse_channel(text) for text in texts]
        return filters_of([each.tokens for each in names], names[0].stream, most)

    assert filters("market.tick.a", "market.tick.b") == ["market.tick.a", "market.tick.b"]
    assert filters("market.tick.a", "market.tick.*") == ["market.tick.*"]
    assert filters("market.okx.*.trade", "market.*.X.trade") == ["market.*.*.trade"]
    assert filters("market.okx.>", "market.*.X.trade") == ["market.>"]
    assert filters(*(f"market.bar.1m.s{n}" for n in range(9)), most=8) == ["market.bar.*.*"]


# -- tokens and requests -----------------------------------------------------------------------------------------------


def test_a_token_is_what_it_was() -> None:
    token = Token("MARKET_TICKS", incarnation_of("2026-01-02T03:04:05.123456789Z"), 48_210)
    assert Token.parse(str(token)) == token
    assert token.incarnation != incarnation_of("2026-01-02T03:04:05.12345679Z")


@pytest.mark.parametrize(
    "text", ["", "A/1", "A/1/x", "A/1/-1", "a/1/1", "A/1/1/1", "A/1/" + "9" * 30, "A.>/1/1", "A/1/01"]
)
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(TokenError, match="after: expected"):
        Token.parse(text)


def test_requests_are_json_or_messagepack() -> None:
    asked = {"op": "subscribe", "id": 1, "channels": ["a", {"ch": "b", "every_ms": 50}]}
    expected = Subscribe(id=1, channels=["a", ChannelRequest("b", every_ms=50)])
    assert request_of(msgspec.json.encode(asked), is_text=True, depth=8) == expected
    assert request_of(msgspec.msgpack.encode(asked), is_text=False, depth=8) == expected


@pytest.mark.parametrize(
    ("payload", "is_fatal"),
    [
        (b"", False),
        (b"[]", False),
        (b'{"op":"subscribe"}', False),
        (b'{"op":"subscribe","channels":[{"ch":"a","every_ms":-1}]}', False),
        (b'{"op":"subscribe","channels":[{"ch":"a","mode":"some"}]}', False),
        (b'{"op":"list","id":"\xff"}', True),
        (b"[" * 9 + b"]" * 9, True),
        (b'{"op":' * 30_000, True),
    ],
)
def test_what_is_no_request(payload: bytes, is_fatal: bool) -> None:
    with pytest.raises(MalformedRequest, match="message: expected") as caught:
        request_of(payload, is_text=True, depth=8)
    assert caught.value.fatal is is_fatal


def test_nesting_is_not_counted_in_texts_or_side_by_side() -> None:
    assert not is_nested_deeper(b'{"a":"' + b"[" * 100 + b'\\"[[["}', 8)
    assert not is_nested_deeper(b"[" + b"[]," * 100 + b"[]]", 2)
    assert is_nested_deeper(b"[" + b"[[]]," * 100 + b"[]]", 2)


def test_a_budget_fills_with_time() -> None:
    budget = Budget(2, 3)
    assert [budget.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.take(101.0) for _ in range(3)] == [True, True, False]


# -- what is held for a client -----------------------------------------------------------------------------------------


@dataclass
class Socket:
    """A transport that takes so much, and shows what it took."""

    taken: list[bytes] = field(default_factory=list)
    waiting: int = 0
    ended: bool = False

    def write(self, data: bytes) -> None:
        self.taken.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.ended

    def get_extra_info(self, _: str) -> None:
        return None


@pytest.fixture
async def outlet() -> AsyncIterator[Outlet]:
    made = Outlet(StreamSettings(waiting_messages=10), Metrics("api"), lambda _: None, lambda _: 7)
    yield made
    made.stop()


def channel_of(outlet: Outlet, text: str, **request: Any) -> tuple[Channel, Socket]:
    taken = Socket()
    settings = StreamSettings(waiting_messages=10)
    client = Client(outlet, settings, cast("asyncio.Transport", taken), JsonWire(), LOCAL, lambda: None)
    channel = Channel(client, parse_channel(text), ChannelRequest(text, **request))
    client.channels[text] = channel
    outlet.clients[client] = None
    return channel, taken


def update(n: int, subject: str = "market.tick.a") -> Update:
    made = Update(subject, n, msgspec.msgpack.encode({"venue": "shfe", "symbol": "a", "seq": n}))
    assert made.read()
    return made


def numbers(taken: Socket) -> list[int]:
    """The sequences of what was written, frame by frame."""
    found = []
    for data in taken.taken:
        for piece in data.split(b'"n":')[1:]:
            found.append(int(piece.split(b",")[0]))
    return found


async def test_states_of_one_turn_are_conflated(outlet: Outlet) -> None:
    channel, taken = channel_of(outlet, "market.tick.*")
    channel.hold()
    channel.go_live(0)
    for n, subject in enumerate(["a", "b", "a", "c", "b"], 1):
        channel.deliver(update(n, f"market.tick.{subject}"))
    outlet.flush()
    assert numbers(taken) == [3, 4, 5]
    assert (channel.skipped, channel.sent) == (2, 5)


async def test_tapes_are_not(outlet: Outlet) -> None:
    channel, taken = channel_of(outlet, "market.tick.a", mode="all")
    channel.hold()
    channel.go_live(0)
    for n in range(1, 6):
        channel.deliver(update(n))
    channel.deliver(update(5))  # what came already
    outlet.flush()
    assert numbers(taken) == [1, 2, 3, 4, 5]
    assert len(taken.taken) == 1


async def test_what_is_held_back_comes_behind_where_it_joins(outlet: Outlet) -> None:
    channel, taken = channel_of(outlet, "market.tick.a", mode="all")
    channel.deliver(update(1))
    channel.hold()
    for n in range(2, 6):
        channel.deliver(update(n))
    channel.go_live(3)
    outlet.flush()
    assert numbers(taken) == [4, 5]


async def test_each_subject_joins_where_its_snapshot_stands(outlet: Outlet) -> None:
    channel, taken = channel_of(outlet, "market.tick.*")
    channel.hold()
    channel.deliver(update(5, "market.tick.a"))
    channel.go_live(1, {"market.tick.a": 5, "market.tick.b": 9})
    channel.deliver(update(7, "market.tick.a"))
    channel.deliver(update(9, "market.tick.b"))
    channel.deliver(update(10, "market.tick.b"))
    outlet.flush()
    assert numbers(taken) == [7, 10]


async def test_more_than_can_be_held_back_of_a_tape_leaves_the_live_flow(outlet: Outlet) -> None:
    channel, _ = channel_of(outlet, "market.tick.a", mode="all")
    channel.hold()
    for n in range(1, 13):
        channel.deliver(update(n))
    assert channel.overflowed
    assert channel.held == []
    state, taken = channel_of(outlet, "market.tick.*")
    state.hold()
    for n in range(1, 100):
        state.deliver(update(n, f"market.tick.{n % 3}"))
    assert len(state.held) <= 10
    state.go_live(0)
    outlet.flush()
    assert numbers(taken) == [97, 98, 99]


async def test_a_full_socket_is_not_written_to(outlet: Outlet) -> None:
    channel, taken = channel_of(outlet, "market.tick.a")
    channel.hold()
    channel.go_live(0)
    taken.waiting = 100_000
    for n in range(1, 4):
        channel.deliver(update(n))
        outlet.flush()
    assert taken.taken == []
    assert channel.client.is_blocked
    assert channel.client.positions() == {}
    taken.waiting = 0
    channel.client.flush()
    assert numbers(taken) == [3]
    taken.ended = True
    channel.deliver(update(4))
    outlet.flush()
    assert numbers(taken) == [3]
