"""The reconciliation against a real nats-server and a real store: forged places, skipped messages, rows that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.remote.tally import RemoteTally
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.subjects import packed_subject, raw_subject, tick_subject
from marketprism_application.monitoring.reconciliation import BEYOND, MISSING, SKIPPED, STANDING, Reconciler
from marketprism_application.storage.writer import Progress, WriterSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.election import LeaseRecord
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient, RpcServer
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import count_from, last_of_each, nanoseconds, next_of
from marketprism_sdk.nats.jetstream import publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Metrics
from marketprism_sdk.streams import Checkpoint
from marketprism_services.monitor.pipeline_audit import PipelineAudit, problems_now
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.store import EmbeddedEngines
from tests.fakes.ticks import at, tick

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="audit")
    await streams.ensure_streams(connection)
    yield connection
    await connection.close()
    await server.stop()


async def probe_of(connection: NatsConnection) -> PipelineProbe:
    positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
    return PipelineProbe(connection, positions, await NatsKeyValue.open(connection, streams.STORE_RANGES))


def ticks_of(first: int, number: int, symbol: str = "rb2505") -> tuple[Tick, ...]:
    return tuple(
        tick(at("2025-03-03 09:00:00") + n * 10**9, "100", n)._replace(venue="shfe", symbol=symbol, seq=n)
        for n in range(first, first + number)
    )


async def raw(connection: NatsConnection, partition: int, first: int, number: int) -> int:
    packed = Packed(PACKED_VERSION, "sim:7", 1, 0, ticks_of(first, number))
    return (await publish_ack(connection, raw_subject(partition), encode_packed(packed))).seq


async def checkpoint(connection: NatsConnection, partition: int, in_seq: int, taken: int) -> None:
    record = Checkpoint(1, 1, "validator-1", in_seq, 0, 0, 0, {}, since=0, taken=taken)
    await publish_ack(connection, f"stage.validator.{partition}.ck", msgspec.msgpack.encode(record))


async def published(connection: NatsConnection, partition: int, ticks: tuple[Tick, ...]) -> int:
    for each in ticks:
        await publish_ack(connection, tick_subject(each.symbol), encode(TICK, each))
    packed = Packed(PACKED_VERSION, "sim:7", 1, 0, ticks)
    return (await publish_ack(connection, packed_subject(partition), encode_packed(packed))).seq


async def test_direct_reads_say_what_is_held_and_how_much_comes_behind(connection: NatsConnection) -> None:
    places = [await raw(connection, partition, 1, 1) for partition in (0, 1, 0, 0, 1)]
    lasts = await last_of_each(connection, streams.RAW, ["market.raw.*"])
    assert {subject: held.seq for subject, held in lasts.items()} == {
        "market.raw.0": places[3],
        "market.raw.1": places[4],
    }
    earlier = await last_of_each(connection, streams.RAW, ["market.raw.*"], up_to=places[1])
    assert {held.seq for held in earlier.values()} == {places[0], places[1]}
    held = await next_of(connection, streams.RAW, "market.raw.0", places[0] + 1)
    assert held is not None
    assert (held.seq, held.more, held.subject) == (places[2], 1, "market.raw.0")
    assert held.ts > nanoseconds("2026-01-01T00:00:00Z")
    assert await count_from(connection, streams.RAW, "market.raw.*", places[1]) == 4
    assert await next_of(connection, streams.RAW, "market.raw.0", places[4] + 1) is None
    assert await last_of_each(connection, "NO_SUCH", ["market.raw.*"]) == {}
    assert await next_of(connection, "NO_SUCH", "market.raw.0", 1) is None


async def test_of_a_stream_that_was_made_again_nothing_is_stored_yet(connection: NatsConnection) -> None:
    """What a backup brought back says how far the stream before it was stored."""
    probe = await probe_of(connection)
    last = await published(connection, 3, ticks_of(1, 4))
    own = str((await stream_info(connection, streams.TICKS))["created"])
    for created, stored in ((own, last), ("", last), ("2020-01-01T00:00:00Z", 0)):
        mark = msgspec.msgpack.encode({"watermark": last, "created": created})
        await publish_ack(connection, f"$KV.{streams.STORE_RANGES}.{streams.TICKS}", mark)
        progress = await probe.read()
        assert progress.behind[f"storage:{streams.TICKS}"] == last - stored
        assert {seen.stream: seen.watermark for seen in progress.stores}[streams.TICKS] == stored


async def test_a_partition_that_nobody_works_on_is_found_and_is_well_again(connection: NatsConnection) -> None:
    now = [0.0]
    audit = PipelineAudit(await probe_of(connection), None, Reconciler(still_s=8, age_s=0), clock=lambda: now[0])
    done = await raw(connection, 3, 1, 5)
    await checkpoint(connection, 3, done, 1)
    assert await audit.look() == []
    last = await raw(connection, 3, 6, 5)
    assert await audit.look() == []
    now[0] = 9.0
    (problem,) = await audit.look()
    assert (problem.kind, problem.stage, problem.where) == (STANDING, "validator", "partition 3")
    assert problem.instruments == ("shfe.rb2505",)
    await checkpoint(connection, 3, last, 2)
    assert await audit.look() == []


async def test_a_forged_checkpoint_is_found_by_what_the_server_counts(connection: NatsConnection) -> None:
    now = [0.0]
    audit = PipelineAudit(await probe_of(connection), None, Reconciler(hold_s=30), clock=lambda: now[0])
    places = [await raw(connection, 3, n, 1) for n in range(1, 11)]
    await checkpoint(connection, 3, places[3], 4)
    assert await audit.look() == []
    await checkpoint(connection, 3, places[8], 5)
    now[0] = 11.0
    (problem,) = await audit.look()
    assert (problem.kind, problem.amount, problem.instruments) == (SKIPPED, 4, ("shfe.rb2505",))
    await checkpoint(connection, 3, places[9] + 10**9, 6)
    await audit.look()
    now[0] = 13.0
    assert BEYOND in {problem.kind for problem in await audit.look()}
    await checkpoint(connection, 3, places[9], 6)
    now[0] = 60.0
    assert await audit.look() == []


async def test_records_that_are_none_stop_no_look(connection: NatsConnection) -> None:
    probe = await probe_of(connection)
    await raw(connection, 3, 1, 1)
    for name in ("x", "07", "1_0", "\u0663", "9" * 40):
        await publish_ack(connection, f"market.raw.{name}", b"")
        await publish_ack(connection, f"stage.validator.{name}.ck", b"")
    assert [seen.partition for seen in (await probe.read()).stages] == [3]
    for garbage in (b"\xc1", msgspec.msgpack.encode("text"), msgspec.msgpack.encode({"in_seq": "x", "stats": 7})):
        await publish_ack(connection, "stage.validator.3.ck", garbage)
        await (await NatsKeyValue.open(connection, streams.STORE_RANGES)).put(streams.TICKS, garbage)
        assert (await probe.read()).behind["validator:3"] > 0


async def test_rows_that_the_table_lacks_are_named_by_instrument(connection: NatsConnection, tmp_path: Path) -> None:
    service = StorageService(connection, EmbeddedEngines(tmp_path / "chdb"), WriterSettings(batch_ms=50))
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    probe = await probe_of(connection)
    tally = RemoteTally(LeaderClient(RpcClient(NatsBus(connection)), "storage"))
    now = [0.0]
    audit = PipelineAudit(probe, tally, Reconciler(), clock=lambda: now[0])
    try:
        last = await published(connection, 1, ticks_of(1, 20))
        last = await published(connection, 2, ticks_of(1, 10, "m2505"))
        await stored(probe, last)
        assert await audit.look() == []
        assert audit.verified == 30
        last = await published(connection, 1, ticks_of(21, 5))
        await stored(probe, last)
        assert service._engine is not None
        await service._engine.execute("DELETE FROM market.market_ticks WHERE symbol = 'rb2505' AND seq IN (22, 23)")
        now[0] = 20.0
        (problem,) = await audit.look()
        assert (problem.kind, problem.amount, problem.instruments) == (MISSING, 2, ("shfe.rb2505",))
        now[0] = 40.0
        assert [each.kind for each in await audit.look()] == [MISSING]
        found, _ = await problems_now(probe, tally, pause_s=0.1)
        assert [each.kind for each in found] == [MISSING]
        last = await published(connection, 1, ticks_of(22, 2))  # somebody brings them again
        await stored(probe, last)
        now[0] = 60.0
        assert await audit.look() == []
    finally:
        stop.set()
        await running


async def test_a_store_that_does_not_answer_blinds_no_look(connection: NatsConnection) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def tally(_: object) -> dict[str, object]:
        asked.set()
        await answer.wait()
        return {"rows": 0, "dead": 0, "absent": list(keys)}

    async def noise(_: object) -> dict[str, object]:
        return {"rows": "many", "absent": 7}

    bus = NatsBus(connection)
    server = RpcServer(bus, "storage", "storage-1", Metrics("storage"))
    server.add("tally", tally)
    await server.start()
    leaders = await NatsKeyValue.open(connection, "service_leaders")
    record = LeaseRecord("storage-1", 1, "held", "storage-1")
    await leaders.put("storage.default", msgspec.msgpack.encode(record))
    now, ticks = [0.0], ticks_of(1, 3)
    keys = [(each.venue, each.symbol, each.ts_event, each.seq) for each in ticks]
    audit = PipelineAudit(
        await probe_of(connection),
        RemoteTally(LeaderClient(RpcClient(bus), "storage")),
        Reconciler(still_s=8, age_s=0),
        clock=lambda: now[0],
    )
    last = await published(connection, 1, ticks)
    ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
    await ranges.put(streams.TICKS, msgspec.msgpack.encode(Progress("", 1, 1, last, last)))
    done = await raw(connection, 3, 1, 5)
    await checkpoint(connection, 3, done, 1)
    await raw(connection, 3, 6, 5)
    try:
        assert await audit.look(wait=False) == []
        await asked.wait()
        now[0] = 20.0
        assert {each.kind for each in await audit.look(wait=False)} == {STANDING}
        answer.set()
        assert {each.kind for each in await audit.look()} == {STANDING, MISSING}
        server.add("tally", noise)
        now[0] = 40.0
        assert {each.kind for each in await audit.look()} == {STANDING, MISSING}  # nobody says that they are there now
    finally:
        await audit.close()
        await server.stop()


async def stored(probe: PipelineProbe, last: int) -> None:
    ranges = await NatsKeyValue.open(probe.connection, streams.STORE_RANGES)
    async with asyncio.timeout(40):
        while True:
            entry = await ranges.get(streams.TICKS)
            if entry is not None and msgspec.msgpack.decode(entry.value, type=Progress).watermark >= last:
                return
            await asyncio.sleep(0.05)
