"""What a gateway's session writes to: one suite each over memory and real NATS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from marketprism_adapters.memory.gateway import (
    MemoryEventLog,
    MemoryLogs,
    MemoryMarketDataLog,
    MemoryPositions,
    MemoryRawLog,
    StaleEpoch,
)
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.market_data_log import MarketDataLog as NatsMarketDataLog
from marketprism_adapters.nats.raw_log import RawLog as NatsRawLog
from marketprism_adapters.nats.source_positions import Positions
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, decode_packed
from marketprism_application.contracts.venue_messages import Message, TradeMessage
from marketprism_application.ports.gateway import GatewayEventLog, MarketDataLog, RawLog, SourcePositions
from marketprism_application.ports.sources import SourceBatch, SourceTraits
from marketprism_domain.events.registry import HeartbeatReceived, SubscriptionFailed
from marketprism_sdk.errors import Fenced
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.observability import Sampler
from tests.fakes.ticks import tick

pytestmark = pytest.mark.timeout(60)
REFUSED = (StaleEpoch, Fenced)


@dataclass
class Logs:
    """Both logs of one group, opened for an epoch, and what is in them."""

    raw: Callable[[int], Awaitable[RawLog]]
    data: Callable[[int], MarketDataLog]
    packed: Callable[[], Awaitable[list[Packed]]]
    messages: Callable[[], Awaitable[list[Message]]]
    venue: str


@pytest.fixture(params=["memory", "nats"])
async def logs(request: pytest.FixtureRequest, connection: NatsConnection, unique: str) -> Logs:
    if request.param == "memory":
        kept = MemoryLogs()

        async def raw(epoch: int) -> RawLog:
            await kept.open(epoch)
            return MemoryRawLog(kept, epoch)

        async def packed() -> list[Packed]:
            return [each for _, each in kept.raw]

        async def messages() -> list[Message]:
            return list(kept.data.values())

        return Logs(raw, lambda epoch: MemoryMarketDataLog(kept, epoch), packed, messages, unique)
    await streams.ensure_streams(connection)

    async def nats_raw(epoch: int) -> RawLog:
        return await NatsRawLog.open(
            connection, unique, f"{unique}-{epoch}", epoch, sampler=Sampler(0), on_fenced=lambda _: None
        )

    def nats_data(epoch: int) -> MarketDataLog:
        return NatsMarketDataLog(connection, unique, f"{unique}-{epoch}", epoch, StreamLayout(), lambda _: None)

    async def in_raw() -> list[Packed]:
        found = [decode_packed(each.data) for each in await read_stream(connection, streams.RAW, ["market.raw.>"])]
        return [each for each in found if each.source == unique]

    async def in_data() -> list[Message]:
        found = await read_stream(connection, streams.DATA, [f"market.{unique}.>"])
        return [msgspec.msgpack.decode(each.data, type=TradeMessage) for each in found]

    return Logs(nats_raw, nats_data, in_raw, in_data, unique)


def packed_of(source: str, seq: int) -> Packed:
    return Packed(PACKED_VERSION, source, 0, 0, (tick("2025-03-03 09:00:00", seq=seq),), (), ())


def trade(venue: str, seq: int, symbol: str = "BTC-USDT") -> Message:
    return TradeMessage(1, venue, symbol, venue, 0, seq, seq, seq, 0, str(seq), "100", "1", "buy")


async def test_the_raw_log_is_chained_by_partition_and_says_whose_it_is(logs: Logs) -> None:
    raw = await logs.raw(3)
    source = logs.venue
    await raw.send([(1, packed_of(source, 1)), (2, packed_of(source, 2)), (1, packed_of(source, 3))], 77)
    await raw.flush()
    found = await logs.packed()
    assert [each.ticks[0].source_seq for each in found] == [1, 2, 3]
    assert [each.chain for each in found] == [0, 0, 1]
    assert [each.resumed for each in found] == [77, 77, 0]
    assert {each.epoch for each in found} == {3}
    assert len({each.session for each in found}) == 1
    await raw.close()


async def test_a_later_leader_refuses_the_one_before_and_begins_a_session_of_its_own(logs: Logs) -> None:
    old = await logs.raw(1)
    await old.send([(0, packed_of(logs.venue, 1))], 0)
    await old.flush()
    new = await logs.raw(2)

    async def write_late() -> None:
        await old.send([(0, packed_of(logs.venue, 2))], 0)
        await old.flush()

    with pytest.raises(REFUSED):
        await write_late()
    await new.send([(0, packed_of(logs.venue, 3))], 0)
    await new.flush()
    found = await logs.packed()
    assert [each.ticks[0].source_seq for each in found] == [1, 3]
    assert found[0].session != found[1].session
    for log in (old, new):
        await log.close()


async def test_a_message_of_a_venue_is_in_the_log_once_and_shows_where_its_reader_left_off(logs: Logs) -> None:
    await logs.raw(1)
    data = logs.data(1)
    await data.send([])
    await data.send([trade(logs.venue, 1), trade(logs.venue, 2), trade(logs.venue, 2)])
    await data.flush()
    found = await logs.messages()
    assert [(each.seq, each.epoch) for each in found] == [(1, 1), (2, 1)]
    assert all(each.ts_pub for each in found)
    await data.close()
    await logs.raw(2)
    resume_point = await (later := logs.data(2)).resume_point(logs.venue, ["BTC-USDT", "ETH-USDT"], found[0].ts_pub)
    assert resume_point.since == found[0].ts_pub
    assert {symbol: each.seq for symbol, each in resume_point.trades.items()} == {"BTC-USDT": 2}
    assert resume_point.books == {}
    assert [each.seq for each in resume_point.recent] == [1, 2]
    await later.close()


@pytest.fixture(params=["memory", "nats"])
async def positions(request: pytest.FixtureRequest, connection: NatsConnection) -> AsyncIterator[SourcePositions]:
    if request.param == "memory":
        yield MemoryPositions()
        return
    yield await Positions.open(connection, 1)
    await Positions.forget(await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS))  # others look at them all


class Played:
    """A recording that was read."""

    traits = SourceTraits(recording=True, counts_rows=True)

    def __init__(self, name: str) -> None:
        self.rows, self.skipped = {f"{name}-1": 9, f"{name}-2": 4}, {"header": 1}

    async def connect(self) -> None: ...

    async def instruments(self) -> Any:
        return ()

    async def stream(self, after: Any) -> AsyncIterator[SourceBatch]:
        del after
        return
        yield

    async def close(self) -> None: ...


async def test_positions_are_known_by_source_and_an_end_never_goes_back(
    positions: SourcePositions, unique: str
) -> None:
    await positions.save({f"{unique}-1": 5, f"{unique}-2": 7})
    known = await positions.known()
    assert (known[f"{unique}-1"], known[f"{unique}-2"]) == (5, 7)
    await positions.tell("g", "away", retry=True)
    assert not any(name.startswith("state") for name in await positions.known())
    await positions.finish(Played(unique), {f"{unique}-1": 9, f"{unique}-2": 4}, known)
    known = await positions.known()
    assert (known[f"{unique}-1"], known[f"{unique}-2"]) == (9, 7)


async def test_a_source_is_well_tried_again_or_failed(positions: SourcePositions, unique: str) -> None:
    assert (positions.error, positions.failed) == ("", False)
    await positions.tell(unique, "away", retry=True)
    assert (positions.error, positions.failed) == ("away", False)
    await positions.tell(unique, "wrong password")
    assert (positions.error, positions.failed) == ("wrong password", True)
    await positions.record_refusals(unique, [HeartbeatReceived("x")])
    assert positions.failed, "an event that says nothing of it changes nothing"
    await positions.record_refusals(unique, [SubscriptionFailed("shfe", "rb9", "no such")])
    assert (positions.error, positions.failed) == ("", False)
    await positions.tell(unique)
    assert (positions.error, positions.failed) == ("", False)


@dataclass
class EventLog:
    """Where events go, and the names of those that arrived."""

    log: GatewayEventLog
    names: Callable[[], Awaitable[list[str]]]


@pytest.fixture(params=["memory", "nats"])
async def event_log(request: pytest.FixtureRequest, connection: NatsConnection, unique: str) -> AsyncIterator[EventLog]:
    if request.param == "memory":
        memory = MemoryEventLog()

        async def noted() -> list[str]:
            return memory.names

        yield EventLog(memory, noted)
        return
    await streams.ensure_streams(connection)
    publisher = EventPublisher(connection, unique)

    async def stored() -> list[str]:
        await publisher.close()  # with the receipts of what was sent
        found = await read_stream(connection, streams.EVENTS, ["market.event.>"])
        records = [decode(EVENT, each.data) for each in found]
        return [record.name for record in records if record.source == unique]

    yield EventLog(publisher, stored)
    await publisher.close()


async def test_events_are_published_in_order_and_none_is_no_event(event_log: EventLog) -> None:
    await event_log.log.publish_soon([HeartbeatReceived("x"), SubscriptionFailed("shfe", "rb9", "no such")], 1)
    await event_log.log.publish_soon([], 1)
    await event_log.log.publish_instruments((), 1)
    await event_log.log.publish_soon([HeartbeatReceived("x")], 2)
    assert await event_log.names() == ["HeartbeatReceived", "SubscriptionFailed", "HeartbeatReceived"]
