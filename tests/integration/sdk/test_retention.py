"""Fences, checkpoints and snapshots outlive the limits of the stream that they are in."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, leader_get_last, publish_ack, stream_info
from marketprism_sdk.nats.publisher import WindowPublisher
from marketprism_sdk.nats.retention import Retention
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.streams import FencedPublisher, Stage, fenced_publisher, raise_fence
from tests.integration.sdk.stage_process import Sums, settings

BOUND = 2_000_000


async def bounded(connection: NatsConnection, name: str, subjects: list[str], **more: object) -> None:
    common = {"storage": "file", "allow_direct": True, "allow_atomic": True, "discard": "old", "max_bytes": BOUND}
    await ensure_stream(connection, {"name": name, "subjects": subjects, **common, **more})


@pytest.mark.parametrize("batched", [False, True], ids=["pipelined", "in-batches"])
async def test_a_stream_does_not_throw_out_the_fence_of_who_fills_it(
    connection: NatsConnection, unique: str, batched: bool
) -> None:
    await bounded(connection, unique, [f"{unique}.>"])
    fenced: list[str] = []
    fence = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    publisher = FencedPublisher(connection, fence, replicas=3 if batched else 1, on_fenced=fenced.append)
    await publisher.open()
    for number in range(3_000):  # ten times what the stream keeps
        await publisher.publish(f"{unique}.data", b"%d" % number + b"." * 7_000)
    await publisher.flush()
    await publisher.close()
    state = (await stream_info(connection, unique))["state"]
    assert publisher.acknowledged == 3_000
    assert state["first_seq"] > 2_000
    assert fenced == []
    assert await fence.holds()


async def test_a_fence_stays_while_another_writer_fills_the_stream(connection: NatsConnection, unique: str) -> None:
    await bounded(connection, unique, [f"{unique}.>"])
    fence = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    quiet = await fenced_publisher(connection, fence)
    for _ in range(60):
        await publish_ack(connection, f"{unique}.other", b"." * 100_000)
        await asyncio.sleep(0.04)
    await quiet.publish(f"{unique}.data", b"still ours")
    await quiet.flush()
    assert (await stream_info(connection, unique))["state"]["first_seq"] > 30
    await quiet.close()


async def test_a_fence_is_renewed_by_the_age_of_its_stream(connection: NatsConnection, unique: str) -> None:
    age_ns = 2 * 10**9
    await bounded(connection, unique, [f"{unique}.>"], max_age=age_ns, duplicate_window=age_ns)
    fence = await raise_fence(connection, unique, f"{unique}.fence", "one", 1)
    publisher = await fenced_publisher(connection, fence)
    await asyncio.sleep(3.5)
    assert await fence.holds()
    await publisher.close()


async def test_the_state_of_a_quiet_partition_stays_while_others_write_megabytes(
    connection: NatsConnection, unique: str
) -> None:
    await ensure_stream(connection, {"name": f"{unique}-in", "subjects": [f"{unique}.in.>"], "storage": "file"})
    await bounded(connection, f"{unique}-out", [f"{unique}.out.>", f"stage.{unique}.>"])
    await ensure_stream(connection, {"name": f"{unique}-side", "subjects": [f"{unique}.side"], "storage": "file"})
    for _ in range(10):
        await publish_ack(connection, f"{unique}.in.0", b"5")
    quick = replace(settings(unique), idle_commit_s=0.05, snapshot_every_s=0.1)
    stage = Stage(connection, quick, lambda p, _: Sums(unique, p), "one")
    await stage.own(0, 1)
    running = asyncio.create_task(stage.run())
    for _ in range(80):
        await publish_ack(connection, f"{unique}.out.9", b"." * 100_000)
        await asyncio.sleep(0.04)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    state = (await stream_info(connection, f"{unique}-out"))["state"]
    checkpoint = await leader_get_last(connection, f"{unique}-out", f"stage.{unique}.0.ck")
    snapshot = await leader_get_last(connection, f"{unique}-out", f"stage.{unique}.0.snap.0")
    assert state["first_seq"] > 40
    assert checkpoint is not None
    assert snapshot is not None
    heir = Stage(connection, quick, lambda p, _: Sums(unique, p), "two")
    await heir.own(0, 2)  # from the snapshot: with it gone this raises
    assert heir.parts[0].done_seq == 10
    await heir.disown(0)


async def test_a_stream_without_limits_needs_no_renewal(connection: NatsConnection, unique: str) -> None:
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.>"], "storage": "file"})
    retention = Retention(connection, unique)
    await publish_ack(connection, f"{unique}.a", b"." * 1_000)
    await retention.look()
    assert not retention.due(1)
    assert retention.own_bytes == 0
    assert retention.renew_s(3_600) == 3_600
    with pytest.raises(SdkError):
        await Retention(connection, f"{unique}-none").look()


async def test_what_a_full_bucket_refuses_is_sent_again_in_its_order(connection: NatsConnection, unique: str) -> None:
    """A stream without room takes nothing until there is some; the order is that of sending."""
    limits = {"discard": "new", "max_msgs": 5, "storage": "file"}
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.>"], **limits})
    publisher = WindowPublisher(connection)
    await publisher.open()
    for number in range(20):
        await publisher.publish(f"{unique}.a", b"%d" % number)
    await asyncio.sleep(0.6)
    assert publisher.acknowledged == 5
    await ensure_stream(connection, {"name": unique, "subjects": [f"{unique}.>"], "max_msgs": 100})
    await publisher.flush()
    await publisher.close()
    stored = await read_stream(connection, unique, [f"{unique}.a"])
    assert [message.data for message in stored] == [b"%d" % number for number in range(20)]
    assert publisher.retried >= 15
