"""What is promised of the live stream where a member of a replicated stream is behind, or a leader was cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from nats.aio.msg import Msg

from marketprism_sdk.nats.connection import Headers, NatsConnection
from marketprism_services.api.stream import feed, reach
from tests.integration.api.stream_side import ROOMY, Reader, Side, make_streams, message

T = TypeVar("T")
BRISK = replace(ROOMY, beat_s=0.1)


class Members(NatsConnection):
    """A connection to one server, which answers as members of a cluster do that are behind."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.looks = 0
        self.ends_at = 0  # for who leads the stream, 0: where it ends
        self.replica_at = 0  # for who answers direct gets
        self._heard: list[dict[str, bool]] = []
        self._made: set[str] = set()
        self._stopped: set[str] = set()  # consumers on a member that is behind

    def fall_behind(self) -> None:
        """The members that have the consumers of now get nothing more, and know of nothing."""
        for each in self._heard:
            each["well"] = False
        self._stopped = self._made.copy()

    async def come_back(self) -> None:
        """As behind an outage."""
        await self._reconnected()

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Headers = None, again_s: float | None = None
    ) -> Msg:
        """As the connection, with answers of who is behind."""
        found = await super().request(subject, payload, timeout_s=timeout_s, headers=headers, again_s=again_s)
        if subject.startswith("$JS.API.CONSUMER.CREATE."):
            self._made.add(json.loads(found.data)["name"])
        elif subject.startswith("$JS.API.CONSUMER.INFO.") and subject.rsplit(".", 1)[1] in self._stopped:
            answer = json.loads(found.data)
            found.data = json.dumps({**answer, "num_pending": 0, "delivered": {"consumer_seq": 0}}).encode()
        elif subject.startswith("$JS.API.STREAM.INFO."):
            self.looks += 1
            if self.ends_at:
                answer = json.loads(found.data)
                answer["state"]["last_seq"] = self.ends_at
                found.data = json.dumps(answer).encode()
        return found

    async def publish(self, subject: str, payload: bytes, headers: Headers = None, reply: str = "") -> None:
        """As the connection, asking a replica as of then."""
        if subject.startswith("$JS.API.DIRECT.GET.") and self.replica_at:
            payload = json.dumps({**json.loads(payload), "up_to_seq": self.replica_at}).encode()
        await super().publish(subject, payload, headers, reply)

    async def subscribe(
        self, subject: str, callback: Callable[[Msg], None], queue: str = ""
    ) -> Callable[[], Awaitable[None]]:
        """As the connection, but for what a member that is behind does not have."""
        if subject.endswith("*"):  # answers
            return await super().subscribe(subject, callback, queue)
        state = {"well": True}
        self._heard.append(state)
        return await super().subscribe(subject, lambda found: callback(found) if state["well"] else None, queue)

    async def looked(self, times: int = 6) -> None:
        """Until streams were looked at so often."""
        until = self.looks + times
        async with asyncio.timeout(10):
            while self.looks < until:
                await asyncio.sleep(0.01)


@pytest.fixture
async def side(server_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Side]:
    monkeypatch.setattr(feed, "_CHECK_S", 0.05)
    monkeypatch.setattr(reach, "_AGAIN_S", 0.1)
    connection = await Members.open(server_url)
    await make_streams(connection)
    made = Side(connection)
    await made.serve(BRISK)
    yield made
    await made.close()
    await connection.close()


@pytest.fixture
def members(side: Side) -> Members:
    assert isinstance(side.connection, Members)
    return side.connection


async def positions(reader: Reader, stream: str, heartbeats: int) -> list[int]:
    """Where a client is told to be in a stream."""
    found = []
    for _ in range(heartbeats):
        beat = await reader.until(lambda each: each.get("type") == "heartbeat")
        found.append(beat["at"][stream])
    return found


async def soon(coming: Awaitable[T]) -> T:
    """What heartbeats do not put off."""
    async with asyncio.timeout(8):
        return await coming


async def heard(reader: Reader) -> dict[str, Any]:
    """The next that is no heartbeat."""
    found: dict[str, Any] = await reader.until(lambda each: each.get("type") != "heartbeat")
    return found


async def test_a_tape_has_what_its_consumer_did_not_know_of(side: Side, members: Members) -> None:
    reader, other = await side.connect(), await side.connect()
    await reader.subscribe("market.bar.1m.L1")
    await side.publish("market.bar.1m.L1", message(0, "L1"))
    assert (await soon(reader.data()))["d"]["seq"] == 0
    members.fall_behind()
    seq = await side.publish("market.bar.1m.L1", message(1, "L1"))
    await side.publish("market.bar.1m.unwanted", message(0, "unwanted"))
    await members.looked()
    assert max(await positions(reader, "MARKET_BARS", 3)) < seq  # behind a token that it shows again it would miss it
    await other.subscribe("market.bar.1m.L2")  # a consumer that is made anew
    assert (await soon(reader.data()))["d"]["seq"] == 1


async def test_the_position_moves_over_what_nobody_wants(side: Side) -> None:
    reader = await side.connect()
    await reader.subscribe("market.bar.1m.P1", "market.bar.*.P2")
    seq = await side.publish("market.bar.1m.unwanted", message(0, "unwanted"))
    async with asyncio.timeout(10):
        while (await positions(reader, "MARKET_BARS", 1))[0] < seq:
            pass


@pytest.mark.parametrize("channel", ["market.okx.*.ticker", "market.okx.R1.ticker"])
async def test_a_state_is_not_older_than_what_was_handed_on(side: Side, members: Members, channel: str) -> None:
    first = await side.publish("market.okx.R1.ticker", message(1, "R1", "okx"))
    watcher, reader = await side.connect(), await side.connect()
    if "*" in channel:  # of one subject the newest is known from then on
        await watcher.subscribe(channel)
    await side.publish("market.okx.R1.ticker", message(2, "R1", "okx"))
    if "*" in channel:
        while (await soon(watcher.data()))["d"]["seq"] != 2:
            pass
    members.replica_at = first
    await reader.send(op="subscribe", channels=[{"ch": channel}])
    await asyncio.sleep(0.2)
    members.replica_at = 0
    seqs = []
    while not seqs or seqs[-1] != 2:
        found = await soon(reader.data())
        if found["ch"] == "market.okx.R1.ticker":
            seqs.append(found["d"]["seq"])
    assert seqs == [2]


async def test_a_tape_that_joins_has_what_was_handed_on_before_though_an_old_leader_answers(
    side: Side, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await side.publish("market.okx.J1.trade", message(1, "J1", "okx"))
    first, reader = await side.connect(), await side.connect()
    [told] = await first.subscribe("market.okx.J1.trade")
    await side.publish("market.okx.J1.trade", message(2, "J1", "okx"))
    await soon(first.data())
    true_request = members.request

    async def old(subject: str, payload: bytes, **options: Any) -> Msg:
        if members.ends_at and subject.startswith("$JS.API.STREAM.MSG.GET."):
            payload = json.dumps({"seq": before}).encode()
        return await true_request(subject, payload, **options)

    monkeypatch.setattr(members, "request", old)
    members.ends_at = before
    await reader.send(op="subscribe", channels=[{"ch": "market.okx.J1.trade", "after": told["at"]}])
    await asyncio.sleep(0.3)
    members.ends_at = 0
    assert (await soon(reader.answer()))["at"] == told["at"]
    assert (await soon(reader.data()))["d"]["seq"] == 2


async def test_a_tape_has_what_came_while_its_end_was_asked_for(
    side: Side, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    await side.serve(replace(BRISK, waiting_messages=10))
    await side.publish("market.okx.H1.trade", message(0, "H1", "okx"))
    reader, true_request = await side.connect(at=1), members.request
    sent = [("market.okx.H1.trade", message(n, "H1", "okx")) for n in range(1, 40)]

    async def late(subject: str, payload: bytes, **options: Any) -> Msg:
        found = await true_request(subject, payload, **options)
        if subject.startswith("$JS.API.STREAM.MSG.GET.") and sent:
            coming, sent[:] = sent[:], []
            await side.publish_all(coming)  # more than is held back
            await asyncio.sleep(0.2)
        return found

    monkeypatch.setattr(members, "request", late)
    await reader.send(op="subscribe", channels=[{"ch": "market.okx.H1.trade", "snapshot": False}])
    assert [(await soon(reader.data()))["d"]["seq"] for _ in range(39)] == list(range(1, 40))


async def test_a_token_that_an_old_leader_does_not_know_is_no_gap(side: Side, members: Members) -> None:
    reader, other = await side.connect(), await side.connect()
    [told] = await reader.subscribe("market.okx.T1.trade")
    seqs = [await side.publish("market.okx.T1.trade", message(n, "T1", "okx")) for n in range(3)]
    token = told["at"].rpartition("/")[0] + f"/{seqs[1]}"
    await soon(reader.data())
    await side.serve(BRISK)  # it knows of nothing yet
    second = await side.connect(at=1)
    members.ends_at = seqs[0]
    await second.send(op="subscribe", id=7, channels=[{"ch": "market.okx.T1.trade", "after": token}])
    await other.subscribe("market.bar.1m.T1")  # nobody else waits
    await asyncio.sleep(0.3)
    members.ends_at = 0
    found = await soon(second.answer())
    assert (found["type"], found["id"], found["at"]) == ("subscribed", 7, token)
    assert (await soon(second.data()))["d"]["seq"] == 2


async def test_a_token_behind_the_end_of_a_stream_is_a_gap(side: Side, members: Members) -> None:
    reader = await side.connect()
    seq = await side.publish("market.okx.T2.trade", message(1, "T2", "okx"))
    [told] = await reader.subscribe("market.okx.T2.trade")
    token = told["at"].rpartition("/")[0] + f"/{seq + 1_000}"
    other = await side.connect()
    [gap] = await other.subscribe({"ch": "market.okx.T2.trade", "after": token})
    assert (gap["type"], gap["reason"], gap["after"]) == ("gap", "other_stream", token)
    assert (await soon(other.answer()))["type"] == "subscribed"


async def test_an_old_leader_does_not_make_live_channels_begin_anew(side: Side, members: Members) -> None:
    reader = await side.connect()
    await reader.subscribe("market.okx.O1.trade")
    seqs = [await side.publish("market.okx.O1.trade", message(n, "O1", "okx")) for n in range(3)]
    assert [(await soon(reader.data()))["d"]["seq"] for _ in range(3)] == [0, 1, 2]
    members.ends_at = seqs[0]
    await members.come_back()
    assert (await soon(heard(reader)))["code"] == "UPSTREAM_BACK"
    await asyncio.sleep(0.3)
    members.ends_at = 0
    await asyncio.sleep(0.3)
    await side.publish("market.okx.O1.trade", message(3, "O1", "okx"))
    assert (await soon(heard(reader)))["d"]["seq"] == 3


async def test_a_stream_that_lost_its_end_is_a_gap_also_for_who_is_joining(side: Side, members: Members) -> None:
    reader, joining = await side.connect(), await side.connect()
    [told] = await reader.subscribe("market.okx.E1.trade")
    seqs = [await side.publish("market.okx.E1.trade", message(n, "E1", "okx")) for n in range(3)]
    assert [(await soon(reader.data()))["d"]["seq"] for _ in range(3)] == [0, 1, 2]
    members.ends_at = seqs[1]  # and no server that this instance is connected to has gone
    await members.looked(3)
    token = told["at"].rpartition("/")[0] + f"/{seqs[2]}"
    await joining.send(op="subscribe", id=8, channels=[{"ch": "market.okx.E1.trade", "after": token}])
    for each in (reader, joining):
        found = await soon(heard(each))
        assert (found["type"], found["reason"], found["after"]) == ("gap", "other_stream", token)
    found = await soon(heard(joining))
    assert (found["type"], found["id"]) == ("subscribed", 8)
