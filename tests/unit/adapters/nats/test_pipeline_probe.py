"""What an onlooker says of a pipeline while one of its streams has no leader."""

from __future__ import annotations

import msgspec

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import PipelineProbe, Progress
from marketprism_application.monitoring.reconciliation import Problem, Reconciler
from marketprism_application.ports.storage import Progress as Stored
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.streams import Checkpoint
from tests.simulation.scene import Scene, played

STAGE, STORE = "validator:3", f"storage:{streams.TICKS}"


async def probe_of(scene: Scene) -> PipelineProbe:
    """Ten messages of a partition, all of them validated; nine of the ten that came of it are stored."""
    connection = await scene.connect()
    await scene.stream(streams.RAW, "market.raw.*")
    await scene.stream(streams.TICKS, "market.packed.*", "stage.validator.*.ck")
    await scene.stream(streams.BARS, "market.bar.>", "stage.aggregator.*.ck")
    scene.put("market.raw.3", *[b""] * 10)
    scene.put("market.packed.3", *[b""] * 10)
    check(scene, 10)
    ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
    created = str((await stream_info(connection, streams.TICKS))["created"])
    await ranges.put(streams.TICKS, msgspec.msgpack.encode(Stored(created, 1, 1, 9, 9, "s")))
    return PipelineProbe(connection, await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS), ranges)


def check(scene: Scene, in_seq: int) -> None:
    scene.put("stage.validator.3.ck", msgspec.msgpack.encode(Checkpoint(1, 1, "v", in_seq, 0, 0, 0, {})))


def lose_leaders(scene: Scene) -> None:
    """A member that is behind says where its stream ends; replicas that are not say what is in it."""
    server = scene.server

    def without() -> None:
        server.leaderless = bool  # each that is there
        server.before("$JS.API.STREAM.INFO.>", without)

    def replicas() -> None:
        server.every_stream_decides()
        server.before("$JS.API.DIRECT.GET.>", replicas)

    without()
    replicas()


def problems(progress: Progress) -> list[Problem]:
    """What is wrong where it stays so."""
    reconciler = Reconciler()
    reconciler.look(progress.stages, progress.stores, 0.0)
    return reconciler.look(progress.stages, progress.stores, 5.0)


@played
async def test_a_place_is_not_behind_the_end_of_a_log_that_nobody_leads(scene: Scene) -> None:
    probe = await probe_of(scene)
    progress = await probe.read()
    assert (progress.behind[STAGE], progress.behind[STORE], progress.unknown) == (0, 1, [])
    lose_leaders(scene)
    progress = await probe.read()
    assert [(seen.done, seen.end) for seen in progress.stages if seen.stage == "validator"] == [(10, 0)]
    assert [(seen.watermark, seen.end) for seen in progress.stores if seen.stream == streams.TICKS] == [(9, 0)]
    assert problems(progress) == []


@played
async def test_without_a_leader_what_waits_is_told_and_that_nothing_waits_is_not(scene: Scene) -> None:
    probe = await probe_of(scene)
    lose_leaders(scene)
    progress = await probe.read()
    assert (STAGE in progress.behind, STAGE in progress.unknown) == (False, True)
    assert (progress.behind[STORE], STORE in progress.unknown) == (1, False)
    check(scene, 8)
    assert (await probe.read()).behind[STAGE] == 2
    progress = Progress(finished=True, unknown=progress.unknown)
    assert not progress.done


@played
async def test_a_place_that_is_behind_the_end_of_its_log_is_found(scene: Scene) -> None:
    probe = await probe_of(scene)
    check(scene, 11)
    assert [problem.kind for problem in problems(await probe.read())] == ["beyond"]
