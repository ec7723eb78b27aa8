"""Faults of whole machines: three nodes and a store in namespaces of their own, a source that goes on, then the audit.

What is timed is the longest silence of an instrument: from its last tick before to its first tick after, as whoever
listens to the nodes that are there hears it. A replay catches up afterwards, so lateness is all that may be seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.nodes.files import Team
from deploy.nodes.lab import Lab
from nats.aio.msg import Msg

from marketprism_adapters.clickhouse.sql.queries import ROWS_OF_BARS, ROWS_OF_TICKS
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_sdk.election import LEASES, decode_lease
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.urls import Url
from marketprism_services.chaos.bars import compare_bars
from marketprism_services.chaos.reconciled import reconcile
from marketprism_services.chaos.report import Report, percentile
from marketprism_services.cli.options import settings_of
from marketprism_services.platform.catalogue import in_up
from marketprism_services.wiring.store import engines_of
from tests.chaos.node_timeline import GATEWAY, WATCHED, Timeline, elections

FAULTS = ("node-lost", "node-cut", "quorum-lost", "quorum-cut", "clock-skew", "slow-disk")
AWAY_S = 10.0
SETTLE_S = 6.0
_DAY_S = 20_700.0  # of trading of the two instruments
# Of each instrument. Whoever takes the gateway over reads a simulated day from its beginning, which no venue has: with
# three times as many that was up to two seconds of a silence towards the end.
_TICKS_S = 20.0
# How long the source goes on for each trial: as long as one takes at the most, by the machine.
_TRIAL_S = float(os.environ.get("CHAOS_NODE_TRIAL_S", "50"))
_START_S = 120.0
_DONE_S = 300.0  # behind the end of the source
_SLOW_BYTES_S, _SLOW_S = 150_000, 30.0
_BUCKETS = (LEASES, *streams.SHARD_BUCKETS.values(), streams.SOURCE_POSITIONS, streams.STORE_RANGES)
_NEEDED = (*streams.MARKET_STREAMS, *(f"KV_{bucket}" for bucket in _BUCKETS))
_SKEW_S = (3, -3, 30, -30)


@dataclass
class Heard:
    """When ticks of each instrument came, and who leads."""

    last: dict[str, float] = field(default_factory=dict)
    silence: dict[str, float] = field(default_factory=dict)
    silent_from: dict[str, float] = field(default_factory=dict)
    leaders: dict[str, tuple[int, str]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)  # by group: where its leader answers
    renewed: dict[str, float] = field(default_factory=dict)
    not_renewed_s: dict[str, float] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)

    def tick(self, subject: str, now: float) -> None:
        """A tick came, over one of the nodes."""
        before = self.last.get(subject, now)
        if now - before > self.silence.get(subject, -1.0):
            self.silence[subject], self.silent_from[subject] = now - before, before
        self.last[subject] = now

    def lease(self, entry: KvEntry, now: float) -> None:
        """Somebody renewed a lease or took it."""
        record = decode_lease(entry)
        before = self.renewed.get(entry.key, now)
        self.not_renewed_s[entry.key] = max(self.not_renewed_s.get(entry.key, 0.0), now - before)
        self.renewed[entry.key] = now
        if record is not None:
            self.places[entry.key] = record.endpoint
        if record is not None and record.epoch > self.leaders.get(entry.key, (0, ""))[0]:
            self.leaders[entry.key] = (record.epoch, record.holder)
            self.changed.setdefault(entry.key, now)


class NoTicks(RuntimeError):
    """Nothing came for longer than any fault may last."""


class NodesTrial:
    """`trials` faults of one kind on one set of nodes."""

    def __init__(
        self,
        folder: Path,
        fault: str,
        trials: int,
        *,
        seed: int,
        tag: str,
        subnet: str,
        say: Callable[[str], None] = print,
    ) -> None:
        self._fault = fault
        self._trials = trials
        self._dice = random.Random(seed)
        self._say = say
        self._source_s = 60.0 + trials * _TRIAL_S
        self._begun = 0.0
        speed = _DAY_S / self._source_s
        rate = min(100.0, _TICKS_S / speed)
        self._source = f"sim:days=1,seed={seed},rate={rate:.3f},instruments=rb2505+m2505"
        team = Team(
            nodes=tuple(f"{subnet}.{last}" for last in (11, 12, 13)),
            store=f"{subnet}.14",
            services=in_up(),
            source=self._source,
            speed=f"{speed:.3f}",
            max_store_gb=2.0,
            sync="always" if fault == "slow-disk" else "1s",
        )
        self._lab = Lab(folder, tag, subnet, team)
        self._heard = Heard()
        self._watching: list[NatsConnection] = []
        self._took: dict[str, list[float]] = {}
        self._timelines: list[Timeline] = []
        self._struck: frozenset[str] = frozenset()

    async def run(self) -> Report:
        """Strike, return, strike again, and count what is stored; everything is taken away at the end."""
        report = Report(f"three-nodes-{self._fault}", 0, "longest silence of an instrument around the fault")
        try:
            await asyncio.to_thread(self._lab.up)
            await self._watch()
            self._begun = time.monotonic()
            await self._flowing(self._begun, _START_S)
            await self._current()
            for number in range(1, self._trials + 1):
                if not await self._trial(number, report):
                    report.notes.append(f"the source's day ended in trial {number}, which does not count")
                    break
            await self._audit(report)
        finally:
            for connection in self._watching:
                await connection.close()
            await asyncio.to_thread(self._lab.down)
        for kind in sorted({each.kind for each in self._timelines}):
            silences = [each.silence_s for each in self._timelines if each.kind == kind]
            p50, p99 = percentile(silences, 0.5) * 1_000, percentile(silences, 0.99) * 1_000
            report.notes.append(f"{kind}: {len(silences)} trials, silent p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        for group, times in sorted(self._took.items()):
            p50, p99 = percentile(times, 0.5) * 1_000, percentile(times, 0.99) * 1_000
            report.notes.append(
                f"{group}: a new leader in {len(times)} of {report.trials} trials, p50 {p50:.0f} ms, p99 {p99:.0f} ms"
            )
        return report

    # -- what is seen --------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """A connection to each node: what one does not say, another does. Ticks count by the first that brings them."""
        seen: set[bytes] = set()

        def tick(message: Msg) -> None:
            if message.data not in seen:
                seen.add(message.data)
                self._heard.tick(message.subject, time.monotonic())

        for host in self._lab.nodes:
            connection = await self._open(f"nats://{host.address}:4222")
            self._watching.append(connection)
            await connection.subscribe("market.tick.>", tick)
        end = time.monotonic() + _START_S
        for connection in self._watching:
            while True:  # the services make it
                try:
                    leases = await NatsKeyValue.open(connection, LEASES)
                    await leases.watch("", lambda entry: self._heard.lease(entry, time.monotonic()))
                    break
                except SdkError:
                    if time.monotonic() > end:
                        raise
                    await asyncio.sleep(0.5)

    async def _open(self, url: str) -> NatsConnection:
        end = time.monotonic() + _START_S
        while True:
            try:
                return await NatsConnection.open(url, name="trial", access=self._lab.operator)
            except SdkError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)

    async def _flowing(self, since: float, limit_s: float) -> float:
        """Wait for a tick of each instrument that came after a moment; how long that took, in seconds."""
        while True:
            last = self._heard.last
            if len(last) >= 2 and min(last.values()) > since:
                return max(last.values()) - since
            if time.monotonic() - since > limit_s:
                raise NoTicks(f"{self._fault}: no ticks for {limit_s:g} s; see {self._lab.folder}/logs")
            await asyncio.sleep(0.02)

    # -- faults --------------------------------------------------------------------------------------------------------

    async def _trial(self, number: int, report: Report) -> bool:
        """Whether it counts: not where the source's day ended in it, on a machine that takes longer for a trial."""
        try:
            await self._strike(number, report)
            return True
        except NoTicks:
            if time.monotonic() < self._begun + self._source_s:
                raise
            return False

    async def _strike(self, number: int, report: Report) -> None:
        await asyncio.sleep(self._dice.uniform(0.0, 2.0))
        await self._flowing(time.monotonic(), 60.0)
        led = await self._led()
        heard = self._heard
        for each in (heard.silence, heard.silent_from, heard.changed, heard.not_renewed_s):
            each.clear()
        before = dict(heard.leaders)
        struck, struck_at = time.monotonic(), time.time()
        what, returned = await getattr(self, "_" + self._fault.replace("-", "_"))()
        back_s = await self._flowing(returned, 90.0)
        await self._current()
        await asyncio.sleep(SETTLE_S)
        await self._flowing(time.monotonic(), 60.0)
        silence_s = max(self._heard.silence.values())
        report.times_ms.append(silence_s * 1_000)
        report.trials += 1
        for group, (epoch, _) in self._heard.leaders.items():
            if epoch > before.get(group, (0, ""))[0]:
                self._took.setdefault(group, []).append(self._heard.changed[group] - struck)
        self._note(led, struck, struck_at)
        self._say(
            f"{self._fault} {number}: {what}; silent for {silence_s * 1_000:.0f} ms; ticks {back_s * 1_000:.0f} ms after its end"
        )

    async def _led(self) -> dict[str, str]:
        """The node of each leader that a tick needs."""
        found: dict[str, str] = {}
        for name in WATCHED:
            with contextlib.suppress(SdkError):
                found[name] = (await stream_info(self._watching[0], name)).get("cluster", {}).get("leader", "")
        at = self._heard.places.get(GATEWAY, "")
        nodes = zip(self._lab.team.names, self._lab.nodes, strict=True)
        found[GATEWAY] = next((name for name, host in nodes if f"//{host.address}:" in at), "")
        return found

    def _note(self, led: dict[str, str], struck: float, struck_at: float) -> None:
        heard = self._heard
        logs = (self._lab.folder / "logs").glob("node-*/marketprism-nats.log")
        timeline = Timeline(led, self._struck, struck_at, elections(logs, struck_at))
        if GATEWAY in heard.changed:
            timeline.again[GATEWAY] = heard.changed[GATEWAY] - struck
        longest = max(heard.silence, key=lambda subject: heard.silence[subject])
        timeline.silence_s = heard.silence[longest]
        timeline.silent_from_s = heard.silent_from[longest] - struck
        self._timelines.append(timeline)
        self._say(
            f"  {timeline.text()}; lease of the gateway not renewed for {heard.not_renewed_s.get(GATEWAY, 0):.2f} s"
        )

    def _choose(self, count: int) -> list[int]:
        chosen = self._dice.sample(range(3), count)
        self._struck = frozenset(self._lab.team.names[number] for number in chosen)
        return chosen

    async def _node_lost(self) -> tuple[str, float]:
        (number,) = self._choose(1)
        await asyncio.to_thread(self._lab.lose_node, number)
        await asyncio.sleep(AWAY_S)
        returned = time.monotonic()
        self._lab.start_node(number)
        return f"node-{number + 1} lost for {AWAY_S:g} s", returned

    async def _node_cut(self) -> tuple[str, float]:
        (number,) = self._choose(1)
        await asyncio.to_thread(self._lab.nodes[number].cut)
        await asyncio.sleep(AWAY_S + 5.0)
        returned = time.monotonic()
        await asyncio.to_thread(self._lab.nodes[number].heal)
        return f"node-{number + 1} cut off for {AWAY_S + 5:g} s", returned

    async def _quorum_lost(self) -> tuple[str, float]:
        both = self._choose(2)
        for number in both:
            await asyncio.to_thread(self._lab.lose_node, number)
        await asyncio.sleep(AWAY_S)
        returned = time.monotonic()
        for number in both:
            self._lab.start_node(number)
        return f"two nodes lost for {AWAY_S:g} s", returned

    async def _quorum_cut(self) -> tuple[str, float]:
        both = self._choose(2)
        for number in both:
            await asyncio.to_thread(self._lab.nodes[number].cut)
        await asyncio.sleep(AWAY_S + 5.0)
        returned = time.monotonic()
        for number in both:
            await asyncio.to_thread(self._lab.nodes[number].heal)
        return f"two nodes cut off for {AWAY_S + 5:g} s, from one another too", returned

    async def _clock_skew(self) -> tuple[str, float]:
        (number,), skew_s = self._choose(1), self._dice.choice(_SKEW_S)
        await self._restart(number, f"{skew_s:+d}s")
        await asyncio.sleep(AWAY_S)
        await self._restart(number, "")
        return f"services of node-{number + 1} {skew_s:+d} s off for {AWAY_S:g} s", time.monotonic()

    async def _restart(self, number: int, clock: str) -> None:
        await asyncio.to_thread(self._lab.lose_node, number)
        self._lab.start_node(number, clock)
        await self._flowing(time.monotonic(), 60.0)

    async def _slow_disk(self) -> tuple[str, float]:
        (number,) = self._choose(1)
        await asyncio.to_thread(self._lab.slow_disk, number, _SLOW_BYTES_S)
        await asyncio.sleep(_SLOW_S)
        returned = time.monotonic()
        await asyncio.to_thread(self._lab.slow_disk, number, 0)
        return f"disk of node-{number + 1} takes {_SLOW_BYTES_S // 1_000} kB/s for {_SLOW_S:g} s", returned

    # -- the end -------------------------------------------------------------------------------------------------------

    async def _current(self) -> None:
        """Until every stream that a tick or a lease needs has its three replicas up to date: the next fault is a fault of its own."""
        end = time.monotonic() + 120.0
        while True:
            try:
                found = {name: await stream_info(self._watching[0], name) for name in _NEEDED}
                behind = [name for name, info in found.items() if not _is_whole(info.get("cluster") or {})]
                if not behind:
                    return
            except SdkError as error:
                behind = [reason_of(error)]
            if time.monotonic() > end:
                raise RuntimeError(f"{self._fault}: expected all replicas to be current within 120 s, not so: {behind}")
            await asyncio.sleep(0.3)

    async def _audit(self, report: Report) -> None:
        connection = await self._open(self._lab.team.nats_url)
        self._watching.append(connection)
        positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
        ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
        probe = PipelineProbe(connection, positions, ranges)
        end = max(time.monotonic(), self._begun + self._source_s)
        while not (progress := await probe.read()).done:
            # A day that stood still while there was no quorum ends so much later: it is over when nothing comes.
            if time.monotonic() > max((end, *self._heard.last.values())) + _DONE_S:
                raise RuntimeError(
                    f"expected everything to be stored {_DONE_S:g} s behind the source's end, not so: {progress.behind}"
                )
            await asyncio.sleep(0.5)
        settings = settings_of(source={"spec": self._source, "checked": True})
        store = settings.store
        store = type(store)(**{**vars(store), "engine": "clickhouse", "url": Url(self._lab.store_url)})
        settings = settings.model_copy(update={"store": store})
        expected = await compare_bars(connection, settings, report)
        engine = await engines_of(settings).open()
        try:
            (rows,) = (await engine.fetch(ROWS_OF_TICKS)).to_pylist()
            (bars,) = (await engine.fetch(ROWS_OF_BARS)).to_pylist()
        finally:
            await engine.close()
        report.lost += max(0, expected.published - int(rows["different"]))
        report.wrong += max(0, int(rows["different"]) - expected.published)
        report.duplicated += int(rows["found"]) - int(rows["different"]) + int(bars["found"]) - int(bars["different"])
        report.records += int(rows["found"])
        report.notes.append(f"{expected.published} ticks expected, {rows['different']} stored, in {rows['found']} rows")
        await reconcile(probe, report, stored=True)


def _is_whole(cluster: Mapping[str, Any]) -> bool:
    """A leader and two replicas that have everything."""
    replicas = cluster.get("replicas") or []
    return bool(cluster.get("leader")) and len(replicas) == 2 and all(each.get("current") for each in replicas)


__all__ = ["FAULTS", "NodesTrial"]
