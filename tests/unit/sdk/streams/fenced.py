"""A publisher under a raised fence, of a stream of one replica or of three."""

from __future__ import annotations

from typing import Any

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.streams import Fence, FencedPublisher, raise_fence
from tests.simulation.scene import Came, Scene

NO_QUORUM, TOO_LONG, WRONG_SEQUENCE, KNOWN_IN_BATCH = 10077, 10054, 10071, 10201
SUBJECT, EXPECTED = "fence.x", "Nats-Expected-Last-Subject-Sequence"


async def opened(scene: Scene, replicas: int = 1, *, config: dict[str, Any] | None = None, **options: Any) -> Leader:
    """The stream, the fence at its sequence 1, and the publisher."""
    connection = await scene.connect()
    await scene.stream("OUT", "out.>", "fence.>", num_replicas=replicas, **(config or {}))
    fence = await raise_fence(connection, "OUT", SUBJECT, "one", 1)
    found = Leader(scene, connection, fence, replicas, options)
    await found.publisher.open()
    return found


class Leader:
    """Who publishes, and what it was told."""

    def __init__(
        self, scene: Scene, connection: NatsConnection, fence: Fence, replicas: int, options: dict[str, Any]
    ) -> None:
        self.scene, self.connection, self.fence = scene, connection, fence
        self.told: list[str] = []
        options = options if replicas == 1 else {**options, "replicas": replicas}
        self.publisher = FencedPublisher(connection, fence, on_fenced=self.told.append, **options)

    async def publish(self, *numbers: int, subject: str = "out.a") -> None:
        """Numbers as messages."""
        for number in numbers:
            await self.publisher.publish(subject, b"%d" % number)

    @property
    def numbers(self) -> list[int]:
        """What the stream holds."""
        return [int(data) for data in self.scene.data("OUT", "out.>")]

    @property
    def fences(self) -> list[int]:
        """Where the record of the fence was written."""
        return [each.seq for each in self.scene.stored("OUT", SUBJECT)]

    @property
    def batches(self) -> list[list[Came]]:
        """What was sent together; each message by itself is a batch of one."""
        found: dict[str, list[Came]] = {}
        for number, each in enumerate(self.scene.came("out.>")):
            found.setdefault(each.batch or str(number), []).append(each)
        return list(found.values())
