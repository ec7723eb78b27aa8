"""The source of a scenario: an elected leader writes numbers into a stream under its fence, as a venue's gateway does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from marketprism_sdk.election import Election
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import ensure_stream
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.streams import FencedPublisher, fenced_publisher, raise_fence
from tests.simulation.world import Machine


class Source:
    """Machines of which one leads and writes the numbers of a source into a stream, `rate` of them a second, from behind
    the last that is there. `message` gives subject and payload of a number.
    """

    def __init__(
        self,
        stream: str,
        prefix: str,
        total: int,
        rate: float,
        message: Callable[[int], tuple[str, bytes]],
        config: dict[str, Any],
        *,
        number_in: Callable[[bytes], int] = int,
    ) -> None:
        self._stream, self._prefix, self._total, self._rate = stream, prefix, total, rate
        self._message, self._config, self._number_in = message, config, number_in

    async def __call__(self, machine: Machine) -> None:
        connection = await NatsConnection.open(machine.url, name=machine.name)
        sessions = await connection.another(f"{machine.name}-election")
        await ensure_stream(connection, self._config)
        bucket = await NatsKeyValue.open(sessions, "leaders")
        writing: list[asyncio.Task[None]] = []
        holder = f"{machine.name}.{machine.lives}"

        async def begin(epoch: int) -> None:
            fence = await raise_fence(connection, self._stream, f"fence.{self._prefix}", holder, epoch)
            publisher = await fenced_publisher(connection, fence, election.surrender)
            writing.append(asyncio.get_running_loop().create_task(write(publisher)))

        async def end(reason: str) -> None:
            del reason
            for task in writing:
                task.cancel()
            await asyncio.gather(*writing, return_exceptions=True)
            writing.clear()

        async def write(publisher: FencedPublisher) -> None:
            try:
                held = await last_of_each(connection, self._stream, [f"{self._prefix}.>"])
                last = max((self._number_in(each.data) for each in held.values()), default=0)
                while last < self._total:
                    last += 1
                    await publisher.publish(*self._message(last))
                    if last % 5 == 0:
                        await publisher.flush()
                    await asyncio.sleep(1 / self._rate)
                await publisher.flush()
            except SdkError as error:
                election.surrender(str(error), rest_s=0.2)
            finally:
                await publisher.close()

        election = Election(
            bucket,
            "source",
            holder,
            prober=NatsProber(sessions, "source", holder),
            on_acquired=begin,
            on_lost=end,
        )
        machine.state = election
        await election.run()
