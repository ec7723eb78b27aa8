"""A stage under faults in any order, on a real nats-server: each input in the outputs once and in order, and when the
faults are over everything that was sent comes out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import count_from
from marketprism_sdk.nats.jetstream import api, direct_get_last, publish_ack
from marketprism_sdk.streams import Checkpoint, Stage
from tests.integration.sdk.stage_process import Sums
from tests.integration.sdk.stage_process import settings as stage_settings
from tests.integration.sdk.test_nats import make_streams, messages_of

_LIVENESS_S = 30.0


@dataclass
class Holder:
    """One process that has the partition, with a connection of its own."""

    connection: NatsConnection
    stage: Stage
    running: asyncio.Task[None]


class StageUnderFaults(RuleBasedStateMachine):
    """One partition; holders come, leave, crash and are overtaken, and the stream's consumers vanish."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.name = f"m{secrets.token_hex(4)}"
        self.runner = asyncio.Runner()
        self.connection: NatsConnection = self.runner.run(self._open())
        self.sent = self.epoch = 0
        self.holders: list[Holder] = []  # the last one is the owner

    async def _open(self) -> NatsConnection:
        connection = await NatsConnection.open(self.url, name="machine")
        await make_streams(connection, self.name)
        return connection

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)

    @rule(number=st.integers(1, 6))
    def send(self, number: int) -> None:
        async def put() -> None:
            for _ in range(number):
                self.sent += 1
                await publish_ack(self.connection, f"{self.name}.in.0", b"%d" % self.sent)

        self.do(put())

    @rule()
    def take_over(self) -> None:
        """Whoever had it is not told, and goes on until it is refused."""
        self.do(self._take_over())

    async def _take_over(self) -> None:
        self.epoch += 1
        connection = await NatsConnection.open(self.url, name=f"holder-{self.epoch}")
        quick = replace(stage_settings(self.name), idle_commit_s=0.05, snapshot_every_s=0.05)
        stage = Stage(connection, quick, lambda p, _: Sums(self.name, p), f"holder-{self.epoch}")
        await stage.own(0, self.epoch)
        self.holders.append(Holder(connection, stage, asyncio.create_task(stage.run())))

    @precondition(lambda self: self.holders)
    @rule()
    def leave(self) -> None:
        async def go() -> None:
            holder = self.holders.pop()
            await holder.stage.disown(0)
            await _end(holder)

        self.do(go())

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.holders) - 1))

        async def go() -> None:
            holder = self.holders.pop(at)
            await holder.connection.close()  # nothing of it reaches the server any more
            await _end(holder)

        self.do(go())

    @rule()
    def lose_consumers(self) -> None:
        async def go() -> None:
            listed = await api(self.connection, f"CONSUMER.NAMES.{self.name}-in", {})
            for consumer in listed.get("consumers") or []:
                try:
                    await api(self.connection, f"CONSUMER.DELETE.{self.name}-in.{consumer}")
                except SdkError:
                    continue  # it ended by itself meanwhile

        self.do(go())

    @rule(seconds=st.sampled_from((0.01, 0.05, 0.2)))
    def wait(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    def teardown(self) -> None:
        try:
            self.do(self._all_comes_out())
        finally:
            self.do(self._close())
            self.runner.close()

    async def _all_comes_out(self) -> None:
        await self._take_over()
        wanted = [f"{n} {n * (n + 1) // 2}".encode() for n in range(1, self.sent + 1) for _ in range(2)]
        found: list[bytes] = []
        async with asyncio.timeout(_LIVENESS_S):
            while found != wanted:
                await asyncio.sleep(0.1)
                found = await messages_of(self.connection, f"{self.name}-out", f"{self.name}.out.0")
                assert found == wanted[: len(found)]  # none is missing and none is there twice on the way
            while (checkpoint := await self._checkpoint()).in_seq < self.sent:
                await asyncio.sleep(0.05)
        held = await count_from(self.connection, f"{self.name}-in", f"{self.name}.in.0", 1)
        assert (checkpoint.taken, checkpoint.since, held) == (self.sent, 0, self.sent)
        assert checkpoint.stats == {"count": self.sent}

    async def _checkpoint(self) -> Checkpoint:
        last = await direct_get_last(self.connection, f"{self.name}-out", f"stage.{self.name}.0.ck")
        assert last is not None
        return msgspec.msgpack.decode(last.data, type=Checkpoint)

    async def _close(self) -> None:
        for holder in self.holders:
            await holder.connection.close()
            await _end(holder)
        for stream in ("in", "out", "side"):
            await api(self.connection, f"STREAM.DELETE.{self.name}-{stream}")
        await self.connection.close()


async def _end(holder: Holder) -> None:
    holder.running.cancel()
    await asyncio.gather(holder.running, return_exceptions=True)
    await holder.connection.close()


def test_each_input_comes_out_once_whatever_happens_to_those_who_work_on_it(nats_url: str) -> None:
    run_state_machine_as_test(
        lambda: StageUnderFaults(nats_url),
        settings=settings(
            max_examples=8,
            stateful_step_count=14,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
