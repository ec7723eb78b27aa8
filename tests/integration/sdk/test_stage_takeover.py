"""A partition that is taken from an owner who goes on writing, since nobody has told it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from marketprism_sdk.errors import Fenced
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.streams import Stage
from tests.integration.sdk.stage_process import Sums
from tests.integration.sdk.stage_process import settings as stage_settings
from tests.integration.sdk.test_nats import make_streams

pytestmark = [pytest.mark.nats, pytest.mark.timeout(60)]


async def test_an_owner_who_goes_on_writing_keeps_nobody_from_taking_over(
    connection: NatsConnection, unique: str
) -> None:
    await make_streams(connection, unique)
    quick = replace(stage_settings(unique), idle_commit_s=0.001, snapshot_every_s=0.001)

    async def feed() -> None:
        number = 0
        while True:
            number += 1
            await publish_ack(connection, f"{unique}.in.0", b"%d" % number)

    owners: list[tuple[NatsConnection, asyncio.Task[None]]] = []
    feeding = asyncio.create_task(feed())
    try:
        for epoch in range(1, 31):
            own = await NatsConnection.open(str(connection.url.reveal()), name=f"owner-{epoch}")
            stage = Stage(own, quick, lambda p, _: Sums(unique, p), f"owner-{epoch}")
            await stage.own(0, epoch)  # raises Fenced when the owner of before wrote in between
            owners.append((own, asyncio.create_task(stage.run())))
            await asyncio.sleep(0.05)
        late = Stage(owners[0][0], quick, lambda p, _: Sums(unique, p), "late")
        with pytest.raises(Fenced, match="expected a checkpoint below epoch 2"):
            await late.own(0, 2)
    finally:
        feeding.cancel()
        for _, running in owners:
            running.cancel()
        await asyncio.gather(feeding, *(running for _, running in owners), return_exceptions=True)
        for own, _ in owners:
            await own.close()
