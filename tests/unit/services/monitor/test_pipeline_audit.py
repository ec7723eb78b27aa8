"""The table held against its stream while a replica of that one lags."""

from __future__ import annotations

import msgspec

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.remote.tally import RemoteTally
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.monitoring.reconciliation import MISSING, Reconciler
from marketprism_application.ports.storage import Progress
from marketprism_sdk.election import LeaseRecord
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient, RpcServer
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Metrics
from marketprism_services.monitor.pipeline_audit import COUNT_EVERY_S, PipelineAudit
from tests.fakes.ticks import at, tick
from tests.simulation.scene import Scene, played

TICKS = tuple(tick(at("2025-03-03 09:00:00") + n * 10**9)._replace(seq=n) for n in range(1, 4))
KEYS = [(each.venue, each.symbol, each.ts_event, each.seq) for each in TICKS]


async def served(scene: Scene, connection: NatsConnection) -> RpcServer:
    """A storage that leads, and has none of the ticks."""

    async def tally(_: object) -> dict[str, object]:
        return {"rows": 0, "dead": 0, "absent": list(KEYS)}

    server = RpcServer(NatsBus(connection), "storage", "storage-1", Metrics("storage"))
    server.add("tally", tally)
    await server.start()
    leaders = await NatsKeyValue.open(connection, "service_leaders")
    record = LeaseRecord("storage-1", 1, "held", "storage-1")
    await leaders.put("storage.default", msgspec.msgpack.encode(record))
    await scene.stream(streams.TICKS, "market.packed.*", "market.tick.*")
    for _ in TICKS:
        scene.put("market.tick.x", b"")
    scene.put("market.packed.1", encode_packed(Packed(PACKED_VERSION, "sim:7", 1, 0, TICKS)))
    return server


@played
async def test_what_a_replica_that_lags_has_not_got_is_compared_once_it_has(scene: Scene) -> None:
    connection = await scene.connect()
    server = await served(scene, connection)
    ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
    await ranges.put(streams.TICKS, msgspec.msgpack.encode(Progress("", 1, 1, 4, 4)))
    positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
    tally = RemoteTally(LeaderClient(RpcClient(NatsBus(connection)), "storage"))
    now, lagging = [0.0], [True]
    audit = PipelineAudit(PipelineProbe(connection, positions, ranges), tally, Reconciler(), lambda: now[0])

    def behind(asked: bytes) -> bytes:
        """Of packed messages it has none yet."""
        return asked.replace(b"market.packed.*", b"market.packed.none") if lagging[0] and b"next_by" in asked else asked

    scene.server.meet(f"$JS.API.DIRECT.GET.{streams.TICKS}", *[behind] * 100)
    assert await audit.look() == []
    assert audit.verified == 0
    lagging[0], now[0] = False, COUNT_EVERY_S
    (problem,) = await audit.look()
    assert (problem.kind, problem.amount, problem.instruments) == (MISSING, 3, ("shfe.rb2505",))
    await server.stop()
