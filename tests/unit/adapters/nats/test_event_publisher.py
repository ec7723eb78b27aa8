"""Events while their stream takes none: whoever tells them goes on, and they come in their order."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_adapters.nats import event_publisher
from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_domain.events.registry import InstrumentsLoaded
from marketprism_sdk.observability import Metrics
from tests.simulation.scene import LOST, NOBODY, Fate, Scene, played, refusal

NO_QUORUM = 10008
SUBJECT = "market.event.InstrumentsLoaded"


async def published(scene: Scene, metrics: Metrics | None = None) -> EventPublisher:
    connection = await scene.connect()
    await scene.stream("EVENTS", "market.event.>")
    return EventPublisher(connection, "gateway", metrics)


def lost(metrics: Metrics) -> float:
    return sum(row.value for row in metrics.rows() if row.name == "events_not_published_total")


def event(number: int) -> InstrumentsLoaded:
    return InstrumentsLoaded("g", number)


def stored(scene: Scene) -> list[int]:
    return [int(decode(EVENT, data).data["instruments"]) for data in scene.data("EVENTS")]


@pytest.mark.parametrize("fate", [NOBODY, refusal(NO_QUORUM, status=503)], ids=["nobody", "no quorum"])
@played
async def test_events_wait_in_their_order_beside_whoever_tells_them(scene: Scene, fate: Fate) -> None:
    events = await published(scene)
    scene.server.meet(SUBJECT, fate, fate, fate)
    await events.publish_soon([event(1)])
    await asyncio.sleep(0.1)
    began = scene.now_s
    for number in range(2, 6):
        await events.publish_soon([event(number)])
    assert (scene.now_s, stored(scene)) == (began, [])
    await scene.until(lambda: len(stored(scene)) == 5)
    await events.publish_soon([event(6)])
    await events.close()
    assert stored(scene) == [1, 2, 3, 4, 5, 6]


@played
async def test_more_events_than_are_held_are_told_of_and_whoever_ends_waits_for_two_seconds(
    scene: Scene, logs: list[dict[str, str]]
) -> None:
    metrics = Metrics("gateway")
    events = await published(scene, metrics)
    scene.server.meet(SUBJECT, *[NOBODY] * 100)
    await events.publish_soon([event(1)])
    await asyncio.sleep(0.1)
    await events.publish_soon([event(number) for number in range(event_publisher.MOST_HELD + 7)])
    assert (events.held, lost(metrics)) == (event_publisher.MOST_HELD, 7)
    began = scene.now_s
    await events.close()
    told = [line["error"] for line in logs if line["event"] == "events.not_published"]
    assert told == ["10000 events wait already", "7 events beyond 10000 that waited"]
    assert scene.now_s - began == pytest.approx(4.0, abs=0.5)  # for those that wait, and for receipts
    assert events.held == 0


@played
async def test_a_receipt_that_is_lost_holds_up_nobody(scene: Scene) -> None:
    events = await published(scene)
    scene.server.meet(SUBJECT, LOST)
    began = scene.now_s
    for number in range(1, 5):
        await events.publish_soon([event(number)])
    assert scene.now_s == began
    await scene.until(lambda: stored(scene) == [2, 3, 4])
