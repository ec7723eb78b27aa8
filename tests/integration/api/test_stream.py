"""The live stream over a real server: channels, encodings, entitlements, limits and ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from marketprism_application.access.entitlements import Entitlement
from marketprism_application.access.principal import LOCAL
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.book_view import BookRequest, BookView
from tests.integration.api.stream_side import ROOMY, Reader, Side, bounded, message

# -- channels ----------------------------------------------------------------------------------------------------------


async def test_a_channel_begins_with_the_newest_and_goes_on(side: Side) -> None:
    first = await side.publish("market.tick.a1", message(1, "a1"))
    reader = await side.connect()
    [told] = await reader.subscribe("market.tick.a1", id=7)
    assert (told["type"], told["id"], told["mode"]) == ("subscribed", 7, "latest")
    assert told["at"].startswith("MARKET_TICKS/")
    assert told["at"].endswith(f"/{first}")
    assert await reader.next() == {
        "ch": "market.tick.a1",
        "n": first,
        "snapshot": True,
        "d": {"v": 1, "venue": "shfe", "symbol": "a1", "seq": 1},
    }
    second = await side.publish("market.tick.a1", message(2, "a1"))
    assert await reader.next() == {
        "ch": "market.tick.a1",
        "n": second,
        "d": {"v": 1, "venue": "shfe", "symbol": "a1", "seq": 2},
    }
    other = await side.connect()  # the newest is here already
    await other.subscribe("market.tick.a1")
    assert (await other.next())["n"] == second


async def test_messagepack_is_the_bytes_of_the_stream(side: Side) -> None:
    data = message(1, "a2", last="3301.5")
    seq = await side.publish("market.tick.a2", data)
    reader = await side.connect(protocols=("marketprism.v1.msgpack",))
    assert reader.ws.protocol == "marketprism.v1.msgpack"
    await reader.ws.send_bytes(msgspec.msgpack.encode({"op": "subscribe", "channels": ["market.tick.a2"]}))
    assert (await reader.next())["type"] == "subscribed"
    raw = (await reader.ws.receive()).data
    assert raw.endswith(data)
    assert msgspec.msgpack.decode(raw)[:2] == ["market.tick.a2", seq]


@pytest.mark.parametrize("protocol", ["marketprism.v1.json", "marketprism.v1.msgpack"])
async def test_batches_are_arrays(side: Side, protocol: str) -> None:
    reader = await side.connect(protocols=(protocol,))
    await reader.send(op="subscribe", batch=True, channels=[{"ch": "market.bar.1m.a3"}])
    [told] = await reader.next()
    assert told["type"] == "subscribed"
    await side.publish_all([("market.bar.1m.a3", message(n, "a3")) for n in range(20)])
    seqs: list[int] = []
    while len(seqs) < 20:
        batch = await reader.next()
        seqs += [(each["d"] if isinstance(each, dict) else each[2])["seq"] for each in batch]
    assert seqs == list(range(20))


async def test_bars_begin_with_the_last_so_many(side: Side) -> None:
    await side.publish_all([(f"market.bar.1m.{'a4' if n % 3 else 'a5'}", message(n)) for n in range(300)])
    reader = await side.connect()
    await reader.subscribe({"ch": "market.bar.1m.a4", "snapshot": 50})
    await side.publish("market.bar.1m.a4", message(300))
    found = [await reader.data() for _ in range(51)]
    assert [each["d"]["seq"] for each in found] == [*[n for n in range(300) if n % 3][-50:], 300]
    assert [each.get("snapshot") for each in found] == [True] * 50 + [None]


async def test_a_book_begins_with_the_gateways_and_goes_on_behind_it(side: Side) -> None:
    asked: list[BookRequest] = []

    async def book(request: BookRequest) -> BookView:
        asked.append(request)
        for seq in (4, 5, 6):  # the book is ahead of what the stream has brought
            await side.publish("market.okx.B-1.orderbook", message(seq, "B-1", "okx", form="update"))
        return BookView("okx", "B-1", True, 5, 1, 1, [("10", "1")], [("11", "2")], None, None)

    url = await side.serve(books=book)
    reader = await side.connect(at=side.urls.index(url))
    await reader.subscribe({"ch": "market.okx.B-1.orderbook", "depth": 50})
    snapshot, update = await reader.next(), await reader.next()
    assert asked == [BookRequest("okx", "B-1", 50)]
    assert (snapshot["snapshot"], snapshot["d"]["form"], snapshot["d"]["seq"]) == (True, "snapshot", 5)
    assert snapshot["d"]["bids"] == [["10", "1"]]
    assert update["d"]["seq"] == 6


async def test_channels_are_listed_and_left(side: Side) -> None:
    reader = await side.connect()
    await reader.subscribe("market.tick.a6", "market.bar.*.a6")
    await reader.send(op="list", id=1)
    told = await reader.answer()
    assert [(each["ch"], each["mode"]) for each in told["channels"]] == [
        ("market.tick.a6", "latest"),
        ("market.bar.*.a6", "all"),
    ]
    await reader.send(op="unsubscribe", channels=["market.tick.a6", "market.tick.none"])
    assert (await reader.answer())["channels"] == ["market.tick.a6"]
    await side.publish("market.tick.a6", message(1, "a6"))
    await side.publish("market.bar.5m.a6", message(2, "a6"))
    assert (await reader.data())["ch"] == "market.bar.5m.a6"
    await reader.send(op="ping", id="p")
    assert (await reader.answer())["id"] == "p"


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ({"ch": "market.raw.1"}, "UNKNOWN_CHANNEL"),
        ({"ch": "market.>"}, "UNKNOWN_CHANNEL"),
        ({"ch": "$JS.API.STREAM.DELETE.MARKET_TICKS"}, "UNKNOWN_CHANNEL"),
        ({"ch": "market.tick.a b"}, "UNKNOWN_CHANNEL"),
        ({"ch": "market.tick.x", "after": "MARKET_BARS/1/1"}, "INVALID_PARAMETER"),
        ({"ch": "market.tick.x", "after": "1"}, "INVALID_PARAMETER"),
        ({"ch": "market.bar.*.x", "snapshot": 5}, "INVALID_PARAMETER"),
        ({"ch": "market.tick.over"}, "CONFLICT"),
    ],
)
async def test_what_is_wrong_with_a_channel_is_not_fatal(side: Side, channel: dict[str, Any], code: str) -> None:
    reader = await side.connect()
    await reader.subscribe("market.tick.over")
    [told] = await reader.subscribe(channel, id=3)
    assert (told["type"], told["code"], told["id"], told.get("fatal")) == ("error", code, 3, None)
    await reader.send(op="ping")
    assert (await reader.answer())["type"] == "pong"


async def test_each_of_two_channels_brings_what_both_have(side: Side) -> None:
    reader = await side.connect()
    await reader.subscribe("market.bar.1m.a9", "market.bar.*.a9")
    await side.publish_all([("market.bar.1m.a9", message(n, "a9")) for n in range(3)])
    assert sorted([(await reader.data())["d"]["seq"] for _ in range(6)]) == [0, 0, 1, 1, 2, 2]


async def test_states_are_paced_and_the_newest_wins(side: Side) -> None:
    reader = await side.connect()
    await reader.subscribe({"ch": "market.*.a7.ticker", "every_ms": 50, "snapshot": False})
    await side.publish_all([("market.okx.a7.ticker", message(n, "a7", "okx")) for n in range(500)])
    seqs = []
    while not seqs or seqs[-1] != 499:
        seqs.append((await reader.data())["d"]["seq"])
    assert len(seqs) < 250
    assert seqs == sorted(set(seqs))


# -- who sees what -----------------------------------------------------------------------------------------------------


async def test_a_wildcard_brings_what_is_entitled_and_tells_how_many_are_left_out(side: Side) -> None:
    side.principal = bounded(Entitlement(venues=("shfe",), symbols=("e*",), kinds=("tick",)))
    for symbol, venue in (("e1", "shfe"), ("e2", "dce"), ("f1", "shfe")):
        await side.publish(f"market.tick.{symbol}", message(1, symbol, venue))
    reader = await side.connect()
    await reader.send(op="subscribe", channels=["market.tick.*"])
    assert (await reader.next())["type"] == "subscribed"
    assert (await reader.next())["ch"] == "market.tick.e1"
    told = await reader.next()
    assert (told["code"], told["count"] >= 2) == ("LEFT_OUT", True)
    for symbol in ("f1", "e2", "e1"):
        await side.publish(f"market.tick.{symbol}", message(2, symbol))
    assert (await reader.data())["d"]["venue"] == "shfe"


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("market.tick.f1", "NOT_ENTITLED"),
        ("market.bar.1m.e1", "NOT_ENTITLED"),
        ("market.okx.e1.trade", "NOT_ENTITLED"),
        ("market.event.>", "FORBIDDEN"),
    ],
)
async def test_a_named_channel_outside_is_refused(side: Side, channel: str, code: str) -> None:
    entitled = bounded(Entitlement(venues=("shfe",), symbols=("e*",), kinds=("tick",)))
    side.principal = replace(entitled, scopes=frozenset({Scope.STREAM}))
    reader = await side.connect()
    [told] = await reader.subscribe(channel)
    assert (told["code"], told.get("fatal")) == (code, None)


async def test_what_is_entitled_to_later_is_not_live(side: Side) -> None:
    side.principal = bounded(Entitlement(symbols=("d*",), delay_s=900))
    reader = await side.connect()
    [told] = await reader.subscribe("market.tick.d1")
    assert told["code"] == "NOT_ENTITLED"


async def test_who_has_not_said_who_it_is_says_so_first(side: Side) -> None:
    side.principal = None
    reader = await side.connect()
    await reader.send(op="auth", token="good", id=1)
    await reader.send(op="subscribe", channels=["market.tick.a8"])
    assert [(await reader.next())["type"] for _ in range(3)] == ["hello", "authenticated", "subscribed"]
    assert side.apis[0].end("k1") == 1
    assert await reader.closed() == 4010


@pytest.mark.parametrize("first", [{"op": "auth", "token": "bad"}, {"op": "list"}, None])
async def test_who_cannot_say_who_it_is_is_closed(side: Side, first: dict[str, Any] | None) -> None:
    side.principal = None
    await side.serve(replace(ROOMY, auth_s=0.1))
    reader = await side.connect(at=1)
    if first is not None:
        await reader.send(**first)
    assert (await reader.next())["code"] == "UNAUTHENTICATED"
    assert await reader.closed() == 4001


async def test_a_scope_is_needed(side: Side) -> None:
    side.principal = replace(LOCAL, scopes=frozenset())
    ws = await side.session.ws_connect(f"{side.urls[0]}/ws/v1/stream")
    assert await Reader(ws).closed() == 4003


# -- server-sent events ------------------------------------------------------------------------------------------------


async def _events(side: Side, count: int, path: str, last_id: str = "") -> list[dict[str, str]]:
    """The first so many events of data."""
    found: list[dict[str, str]] = []
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with asyncio.timeout(10), side.session.get(f"{side.urls[0]}/api/v1/stream?{path}", headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        fields: dict[str, str] = {}
        async for raw in answer.content:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "event" not in fields:
                found.append(fields)
                if len(found) == count:
                    break
            fields = {}
    return found


async def test_events_go_on_behind_the_last_id(side: Side) -> None:
    await side.publish("market.tick.s1", message(1, "s1"))
    path = "ch=market.tick.s1&ch=market.bar.1m.s1&mode=all&snapshot=1"
    await side.publish("market.bar.1m.s1", message(1, "s1"))
    found = await _events(side, 2, path)
    await side.publish_all([("market.tick.s1", message(n, "s1")) for n in range(2, 5)])
    await side.publish_all([("market.bar.1m.s1", message(n, "s1")) for n in range(2, 5)])
    found += await _events(side, 4, path, found[-1]["id"])
    found += await _events(side, 2, path, found[-1]["id"])
    got = sorted((body["ch"], body["d"]["seq"]) for body in (msgspec.json.decode(each["data"]) for each in found))
    assert got == sorted((ch, n) for ch in ("market.tick.s1", "market.bar.1m.s1") for n in range(1, 5))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 400),
        ("ch=market.raw.1", 400),
        ("ch=market.tick.x&mode=some", 400),
        ("ch=market.tick.x&token=secret", 400),
        ("ch=market.tick.x&after=a,b", 400),
    ],
)
async def test_events_that_cannot_be_are_refused(side: Side, path: str, status: int) -> None:
    async with side.session.get(f"{side.urls[0]}/api/v1/stream?{path}") as answer:
        body = await answer.json()
        assert (answer.status, body["success"]) == (status, False)


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_drain_is_announced_and_closes_all(side: Side) -> None:
    await side.serve(replace(ROOMY, drain_s=0.2))
    readers = [await side.connect(at=1) for _ in range(3)]
    draining = asyncio.create_task(side.apis[1].drain())
    for reader in readers:
        told = await reader.answer()
        assert (told["code"], told["in_s"]) == ("DRAINING", 0.2)
        assert await reader.closed() == 1012
    await draining
    async with side.session.get(f"{side.urls[1]}/api/v1/stream?ch=market.tick.x") as answer:
        assert answer.status == 503


async def test_heartbeats_hold_positions(side: Side) -> None:
    await side.serve(replace(ROOMY, beat_s=0.1))
    reader = await side.connect(at=1)
    await reader.subscribe("market.bar.1m.h1")
    seq = await side.publish("market.bar.1m.h1", message(1, "h1"))
    await reader.data()
    told = await reader.until(lambda found: found.get("type") == "heartbeat")
    assert told["at"] == {"MARKET_BARS": seq}


async def test_what_it_does_is_counted(side: Side) -> None:
    reader = await side.connect()
    await reader.subscribe("market.tick.m1")
    text = side.metrics[0].text().decode()
    for line in ("stream_connections 1.0", "stream_channels 1.0", "stream_messages_sent_total 2.0"):
        assert line in text
    await reader.close()
    await asyncio.sleep(0)
    assert 'stream_closed_total{code="1000"} 1.0' in side.metrics[0].text().decode()
