"""What is promised of the live stream when something is cut: a connection, a reader's patience, NATS or a stream."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import socket
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, delete_stream
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.testing import FaultyProxy
from marketprism_services.api.stream.settings import ConnectionLimits, StreamSettings
from tests.integration.api.stream_side import ROOMY, Reader, Side, make_streams, message, side_of

# The full size: MARKETPRISM_STREAM_CUTS=200:50000
CUTS, MESSAGES = map(int, os.environ.get("MARKETPRISM_STREAM_CUTS", "40:6000").split(":"))
NARROW = StreamSettings(
    waiting_messages=200, waiting_bytes=100_000, limits={"viewer": ConnectionLimits(1_000, 1_000, 1_000)}
)


@pytest.fixture
async def side(server_url: str) -> AsyncIterator[Side]:
    async with side_of(server_url) as made:
        yield made


class Resuming:
    """A client that goes on behind the last message of each channel, whenever it was cut."""

    def __init__(self, side: Side, channels: dict[str, str]) -> None:
        self._side = side
        self._channels = channels  # each with the beginning of its subjects
        self.prefixes: dict[str, str] = {}
        self.last: dict[str, int] = {}
        self.got: dict[str, list[int]] = defaultdict(list)
        self.others: list[dict[str, Any]] = []

    async def connect(self, at: int) -> Reader:
        reader = await self._side.connect(at=at)
        asked = [
            {"ch": each, "mode": "all", "snapshot": False}
            | ({"after": f"{self.prefixes[each]}/{self.last[each]}"} if each in self.last else {})
            for each in self._channels
        ]
        await reader.send(op="subscribe", channels=asked)
        return reader

    async def read(self, reader: Reader) -> None:
        """One message."""
        found = await reader.next()
        if "type" not in found:
            channel = next(name for name, begin in self._channels.items() if found["ch"].startswith(begin))
            self.got[channel].append(found["n"])
            self.last[channel] = found["n"]
        elif found["type"] == "subscribed":
            self.prefixes[found["ch"]], _, seq = found["at"].rpartition("/")
            self.last.setdefault(found["ch"], int(seq))
        else:
            self.others.append(found)


async def test_a_client_that_is_cut_again_and_again_gets_each_message_once_in_order(side: Side) -> None:
    dice = random.Random(7)
    for _ in range(2):
        await side.serve()
    channels = {
        "market.tick.R1": "market.tick.R1",
        "market.okx.R1.trade": "market.okx.R1.",
        "market.binance.*.trade": "market.binance.",
        "market.bar.1m.R1": "market.bar.1m.R1",
    }
    subjects = [
        *("market.tick.R1", "market.okx.R1.trade", "market.bar.1m.R1"),
        *(f"market.binance.R{n}.trade" for n in range(5)),
        *("market.tick.other", "market.okx.other.trade"),
    ]
    client = Resuming(side, channels)
    reader = await client.connect(0)
    while len(client.last) < len(channels):
        await client.read(reader)
    begun = dict(client.last)
    sent = [(dice.choice(subjects), message(n, "R1", pad="x" * 100)) for n in range(MESSAGES)]
    wanted = sum(subject.startswith(tuple(channels.values())) for subject, _ in sent)
    publishing = asyncio.create_task(side.publish_all(sent, at_once=20))  # cuts fall into what flows
    cuts = 0
    while sum(map(len, client.got.values())) < wanted:
        left = wanted - sum(map(len, client.got.values()))
        until = left - dice.randrange(1, max(2, 2 * left // (CUTS - cuts + 1)))
        while wanted - sum(map(len, client.got.values())) > max(0, until):
            await client.read(reader)
        if cuts < CUTS:
            cuts += 1
            reader.cut()
            reader = await client.connect(dice.randrange(2))
    await publishing
    assert cuts > CUTS // 2
    for channel, got in client.got.items():
        stream = client.prefixes[channel].partition("/")[0]
        held = [each.seq for each in await read_stream(side.connection, stream, [channel]) if each.seq > begun[channel]]
        assert got == held
    assert [each for each in client.others if each["type"] in ("gap", "error")] == []


async def test_other_subjects_may_be_wanted_while_a_tape_flows(side: Side) -> None:
    await side.serve(replace(ROOMY, filters=5))  # the sixth makes it the pattern of the kind
    reader, other = await side.connect(), await side.connect()
    await reader.subscribe("market.bar.1m.W1")
    sent = [(f"market.bar.1m.{symbol}", message(n, symbol)) for n in range(600) for symbol in ("W1", "W2")]
    publishing = asyncio.create_task(side.publish_all(sent, at_once=10))
    for n in range(10):
        await other.subscribe(f"market.bar.{n + 1}m.W2")
        if n % 2:
            await other.send(op="unsubscribe", channels=[f"market.bar.{n}m.W2"])
    assert [(await reader.data())["d"]["seq"] for _ in range(600)] == list(range(600))
    await publishing


# -- readers that do not read ------------------------------------------------------------------------------------------


class SlowReader:
    """A WebSocket over a socket that holds little, read when it is asked to."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        self._socket.setblocking(False)
        self._port = port
        self._bytes = b""

    async def open(self, *channels: Any) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        key = base64.b64encode(os.urandom(16)).decode()
        head = "GET /ws/v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        asked = json.dumps({"op": "subscribe", "channels": list(channels)}).encode()
        frame = bytes((0x81, 0xFE)) + len(asked).to_bytes(2, "big") + b"\0\0\0\0" + asked
        await loop.sock_sendall(self._socket, head.encode() + frame)
        while b"\r\n\r\n" not in self._bytes:
            await self._receive()
        self._bytes = self._bytes.split(b"\r\n\r\n", 1)[1]
        while (await self.next())["type"] != "subscribed":
            pass

    async def _receive(self) -> None:
        async with asyncio.timeout(20):
            piece = await asyncio.get_running_loop().sock_recv(self._socket, 262_144)
        if not piece:
            raise ConnectionResetError
        self._bytes += piece

    async def _take(self, size: int) -> bytes:
        while len(self._bytes) < size:
            await self._receive()
        taken, self._bytes = self._bytes[:size], self._bytes[size:]
        return taken

    async def next(self) -> dict[str, Any]:
        """The next message; the close as `{"type": "closed", "code": …}`."""
        opcode, size = await self._take(2)
        if size >= 126:
            size = int.from_bytes(await self._take(2 if size == 126 else 8), "big")
        payload = await self._take(size)
        if opcode == 0x88:
            return {"type": "closed", "code": int.from_bytes(payload[:2], "big")}
        found: dict[str, Any] = json.loads(payload)
        return found

    def close(self) -> None:
        self._socket.close()


async def test_a_slow_reader_gets_all_of_a_tape_and_the_newest_of_a_state(side: Side) -> None:
    url = await side.serve(NARROW)
    port = int(url.rsplit(":", 1)[1])
    tape, state = SlowReader(port), SlowReader(port)
    await tape.open("market.okx.S1.trade")
    await state.open("market.okx.S1.ticker")
    quick = await side.connect()
    await quick.subscribe("market.okx.S1.trade")
    count = 6_000
    pad = "x" * 800
    sent = [
        (f"market.okx.S1.{kind}", message(n, "S1", "okx", pad=pad))
        for n in range(count)
        for kind in ("trade", "ticker")
    ]
    publishing = asyncio.create_task(side.publish_all(sent))
    seqs, most = [], 0.0
    while len(seqs) < count:  # who reads is not held up by those who do not
        seqs.append((await quick.data())["d"]["seq"])
        if len(seqs) % 100 == 0:
            most = max(most, side.metric("stream_waiting_bytes"))
    await publishing
    assert seqs == list(range(count))
    assert most < 3 * NARROW.waiting_bytes  # of three clients

    got: list[int] = []
    types: list[str] = []
    while len(got) < count:
        found = await tape.next()
        if "d" in found:
            got.append(found["d"]["seq"])
        else:
            types.append(found["type"])
    assert got == list(range(count))
    while types[-1] != "caught_up":
        types.append((await tape.next())["type"])
    assert types.count("lagging") == types.count("caught_up") >= 1

    newest: list[int] = []
    while not newest or newest[-1] != count - 1:
        found = await state.next()
        if "d" in found:
            newest.append(found["d"]["seq"])
    assert len(newest) < count
    assert newest == sorted(newest)
    tape.close()
    state.close()


async def test_who_takes_no_byte_is_closed(side: Side) -> None:
    url = await side.serve(replace(NARROW, reader_stall_s=0.1, buffer_bytes=4_096))
    reader = SlowReader(int(url.rsplit(":", 1)[1]))
    await reader.open("market.okx.S2.ticker")
    stopped = 0
    while 'stream_closed_total{code="4013"}' not in side.metrics[0].text().decode():
        stopped += 1
        await side.publish_all([("market.okx.S2.ticker", message(n, "S2", "okx", pad="x" * 50_000)) for n in range(20)])
        assert stopped < 200
    while (found := await reader.next()).get("type") != "closed":
        pass
    assert found["code"] == 4013
    reader.close()


# -- streams that are not what they were -------------------------------------------------------------------------------


async def test_what_aged_out_is_a_gap(side: Side) -> None:
    await side.serve()
    seqs = [await side.publish("market.okx.G1.trade", message(n, "G1", "okx")) for n in range(5)]
    reader = await side.connect()
    [told] = await reader.subscribe({"ch": "market.okx.G1.trade", "snapshot": 1})
    stream, _, _ = told["at"].rpartition("/")
    await api(side.connection, "STREAM.PURGE.MARKET_DATA", {"seq": seqs[3]})
    other = await side.connect()
    [gap] = await other.subscribe({"ch": "market.okx.G1.trade", "after": f"{stream}/{seqs[0]}"})
    assert gap == {
        "type": "gap",
        "ch": "market.okx.G1.trade",
        "after": f"{stream}/{seqs[0]}",
        "first": f"{stream}/{seqs[3]}",
        "reason": "aged_out",
        "read": "/api/v1/trades/G1?venue=okx",
    }
    assert (await other.answer())["type"] == "subscribed"
    assert [(await other.data())["d"]["seq"] for _ in range(2)] == [3, 4]


async def test_a_token_of_another_stream_is_a_gap(side: Side) -> None:
    await side.serve()
    await side.publish("market.tick.G2", message(1, "G2"))
    reader = await side.connect()
    [told] = await reader.subscribe({"ch": "market.tick.G2", "after": "MARKET_TICKS/abc/1"})
    assert (told["type"], told["reason"]) == ("gap", "other_stream")
    assert (await reader.answer())["type"] == "subscribed"


async def test_a_state_is_resumed_with_the_newest_if_there_is_a_newer_one(side: Side) -> None:
    await side.serve()
    await side.publish("market.tick.G3", message(1, "G3"))
    reader = await side.connect()
    [told] = await reader.subscribe("market.tick.G3")
    await side.publish("market.tick.G4", message(1, "G4"))
    other = await side.connect()
    await other.subscribe({"ch": "market.tick.G3", "after": told["at"]})
    await side.publish("market.tick.G3", message(2, "G3"))
    assert (await other.data())["d"]["seq"] == 2


async def test_nats_may_restart(tmp_path: Path) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    async with side_of(server.url) as side:
        await side.serve()
        reader = await side.connect()
        await reader.subscribe("market.bar.1m.N1", "market.tick.N1")
        await side.publish("market.bar.1m.N1", message(0, "N1"))
        assert (await reader.data())["d"]["seq"] == 0
        await server.stop()
        assert (await reader.answer())["code"] == "UPSTREAM_AWAY"
        server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=server.port))
        writer = await NatsConnection.open(server.url)
        behind = Side(writer)
        await behind.publish_all([("market.bar.1m.N1", message(n, "N1")) for n in range(1, 300)])
        assert (await reader.answer())["code"] == "UPSTREAM_BACK"
        assert [(await reader.data())["d"]["seq"] for _ in range(299)] == list(range(1, 300))
        await behind.close()
        await writer.close()
    await server.stop()


async def test_what_aged_out_while_nats_was_away_is_a_gap(server_url: str) -> None:
    proxy = FaultyProxy("127.0.0.1", int(server_url.rsplit(":", 1)[1]))
    await proxy.start()
    async with side_of(server_url) as direct, side_of(proxy.url) as side:
        await side.serve()
        reader = await side.connect()
        await reader.subscribe("market.okx.N2.trade")
        before = await direct.publish("market.okx.N2.trade", message(0, "N2", "okx"))
        await reader.data()
        proxy.cut()
        proxy.drop()
        assert (await reader.answer())["code"] == "UPSTREAM_AWAY"
        seqs = [await direct.publish("market.okx.N2.trade", message(n, "N2", "okx")) for n in range(1, 5)]
        await api(direct.connection, "STREAM.PURGE.MARKET_DATA", {"seq": seqs[2]})
        proxy.heal()
        got, gaps = [], []
        while len(got) < 2 or not gaps:
            found = await reader.next()
            if "d" in found:
                got.append(found["d"]["seq"])
            elif found["type"] == "gap":
                gaps.append((found["after"].rpartition("/")[2], found["first"].rpartition("/")[2]))
        assert got == [3, 4]
        assert gaps == [(str(before), str(seqs[2]))]
    await proxy.stop()


async def test_a_stream_that_is_made_anew_is_a_gap_and_goes_on(side: Side) -> None:
    await side.serve()
    reader = await side.connect()
    [told] = await reader.subscribe("market.gap.okx.M1")
    await side.publish("market.gap.okx.M1", message(1, "M1", "okx"))
    await reader.data()
    await delete_stream(side.connection, "MARKET_EVENTS")
    await make_streams(side.connection)
    await side.publish("market.gap.okx.M1", message(2, "M1", "okx"))
    gap = await reader.answer()
    assert (gap["reason"], gap["read"]) == ("other_stream", "/api/v1/gaps/M1?venue=okx")
    assert gap["after"].partition("/")[2].partition("/")[0] == told["at"].split("/")[1]
    assert (await reader.data())["d"]["seq"] == 2
