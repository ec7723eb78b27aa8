"""Gateways of a crypto venue under faults: one simulated market, three processes that want to lead.

The market goes on whoever listens, and remembers every trade. In the end each trade must be in the streams once and in
order, as a message and as a tick, and the bars must be the sums of the trades, also of those that happened while
nobody led.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
from nats.aio.msg import Msg

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_sdk.election import LEASES, decode_lease
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import Child
from marketprism_sdk.urls import Url
from marketprism_services.chaos.program import start_service
from marketprism_services.chaos.report import Report, percentile
from marketprism_services.chaos.settings import trial_settings
from marketprism_services.chaos.venue_leaders.audit import audit
from marketprism_services.platform import run_files
from marketprism_services.platform.catalogue import sharded
from marketprism_services.settings.settings import Settings

Say = Callable[[str], None]
LEAVE = "leave"  # no fault: the leader is asked to end, as an upgrade does with it
FAULTS = ("kill", "freeze", LEAVE)
# Trades that nobody heard can only be had again where their numbers say which are missing.
TRIED = tuple(market for market, row in MARKETS.items() if row.make("", "").dense_trades)
_GATEWAYS = 3
_FROZEN_S = (1.5, 4.0)
_STUCK_S = 60.0
_STAND_BY_S = 2.5
_END_S = 30.0
_SETTLE_S, _LONGEST_SETTLE_S = 8.0, 180.0  # what is on its way; trades that are fetched a hundred at a time


class _Epoch(msgspec.Struct):
    epoch: int
    valid: bool = False  # of a step of a book


class VenueLeaderTrial:
    """`trials` faults of one kind on the gateway that leads, while a simulated `market` trades on: each of its two
    instruments takes `rate` steps a second, with a trade each on average."""

    def __init__(
        self, settings: Settings, market: str, fault: str, trials: int, *, seed: int, say: Say, rate: float = 20.0
    ) -> None:
        self._given = settings
        self._market = market
        self._fault = fault
        self._trials = trials
        self._dice = random.Random(seed)
        self._say = say
        self._gateways: list[Child] = []
        self._others: list[Child] = []
        self._lease: dict[int, tuple[float, str]] = {}  # epoch: when it was first seen, and whose it is
        self._first: dict[int, float] = {}  # epoch: when the first message of it was heard
        self._heard_at = 0.0
        self._rate = rate
        self._book_at: dict[str, float] = {}  # by subject: when the last step of a valid book was heard
        self._books_of: set[tuple[int, str]] = set()
        self._without_ms: list[float] = []  # a valid book, whenever another leader published it

    async def run(self) -> Report:
        """Trade on a simulated venue, cause the fault, count what is stored; the report."""
        report = Report(f"venue-leader-{self._fault}", 0, "from the fault to the next leader's first message")
        with tempfile.TemporaryDirectory(prefix="marketprism-trials-") as name:
            nats = await EmbeddedServer.start(EmbeddedOptions(Path(name), port=0))
            connection = await NatsConnection.open(nats.url, name="trial")
            try:
                dialect = DIALECTS[self._market](("BTC", "ETH"))
                async with SimulatedVenueServer(
                    dialect, rate=self._rate, levels=50, trades_per_step=1.0, quotes=False
                ) as venue:
                    token = MARKETS[self._market].make("", "").name
                    await self._listen(connection, token)
                    await self._play(self._config(Path(name) / "pipeline.json", nats.url, venue), report)
                    venue.paused = True
                    report.add(await self._audited(connection, token, venue))
            finally:
                await connection.close()
                for child in [*self._gateways, *self._others]:
                    child.thaw()
                    child.kill()
                    await child.end()
                await nats.stop()
        return report

    async def _audited(self, connection: NatsConnection, token: str, venue: SimulatedVenueServer) -> Report:
        """What is stored once nothing is missing, or nothing more has come for long: late is not lost."""
        end = time.monotonic() + _LONGEST_SETTLE_S
        while True:
            found = Report("", 0, "")
            await self._settled(end)
            await audit(connection, token, venue.books, found)
            if not found.lost or time.monotonic() > end:
                return found

    async def _settled(self, end: float) -> None:
        """Until nothing has come for some seconds."""
        self._heard_at = time.monotonic()
        while time.monotonic() < min(end, self._heard_at + _SETTLE_S):  # noqa: ASYNC110 (it is moved on by each message)
            await asyncio.sleep(0.1)

    async def _listen(self, connection: NatsConnection, token: str) -> None:
        await streams.ensure_streams(connection)
        leaders = await NatsKeyValue.open(connection, LEASES)
        await leaders.watch(f"gateway.{self._market}", self._leads)
        await connection.subscribe(f"market.{token}.>", self._heard)

    def _leads(self, entry: KvEntry) -> None:
        record = decode_lease(entry)
        if record is not None and record.holder:
            self._lease.setdefault(record.epoch, (time.monotonic(), record.holder))

    def _heard(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        found = msgspec.msgpack.decode(message.data, type=_Epoch)
        self._first.setdefault(found.epoch, self._heard_at)
        if found.valid:
            last = self._book_at.get(message.subject)
            if last is not None and (found.epoch, message.subject) not in self._books_of:
                self._without_ms.append((self._heard_at - last) * 1_000)
            self._books_of.add((found.epoch, message.subject))
            self._book_at[message.subject] = self._heard_at

    def _config(self, path: Path, nats_url: str, venue: SimulatedVenueServer) -> Path:
        given = self._given
        wanted = replace(
            given.venue,
            instruments=tuple(venue.books),
            kinds=("trade", "orderbook"),
            ws_url=Url(venue.ws_url),
            rest_url=Url(venue.rest_url),
        )
        settings = trial_settings(
            given,
            nats_url,
            path.parent / path.stem,
            spec=self._market,
            venue=wanted,
            bars=replace(given.bars, intervals=("1m",)),
            log=given.log.model_copy(update={"level": "error"}),
        )
        run_files.write_whole(path, settings)
        return path

    # -- faults -----------------------------------------------------------------------------------------------------

    async def _play(self, config: Path, report: Report) -> None:
        for name in sharded():
            self._others.append(await start_service(name, config))
        for _ in range(_GATEWAYS):
            self._gateways.append(await start_service("gateway", config))
        leases_ms: list[float] = []
        for number in range(1, self._trials + 1):
            leader, epoch = await self._leading()
            await asyncio.sleep(_STAND_BY_S + self._dice.uniform(0.0, 1.0))
            struck = time.monotonic()
            {"kill": leader.kill, "freeze": leader.freeze, LEAVE: leader.terminate}[self._fault]()
            successor = await self._followed(epoch)
            report.times_ms.append((self._first[successor] - struck) * 1_000)
            leases_ms.append((self._lease[successor][0] - struck) * 1_000)
            report.trials += 1
            self._say(
                f"{number}: {self._fault} {leader.pid}: lease {leases_ms[-1]:.0f} ms, {report.times_ms[-1]:.0f} ms"
            )
            if self._fault != "freeze":
                report.wrong += await leader.end(_END_S) != 0 and self._fault == LEAVE
                self._gateways.remove(leader)
                self._gateways.append(await start_service("gateway", config))
            else:
                await asyncio.sleep(self._dice.uniform(*_FROZEN_S))
                leader.thaw()
        report.notes.append(
            f"until the next lease, ms: p50 {percentile(leases_ms, 0.5):.1f}, p99 {percentile(leases_ms, 0.99):.1f}"
        )
        without = self._without_ms
        report.notes.append(
            f"without a valid book, ms: p50 {percentile(without, 0.5):.1f}, p99 {percentile(without, 0.99):.1f}, "
            f"most {max(without, default=0.0):.1f}"
        )

    async def _leading(self) -> tuple[Child, int]:
        """The gateway that leads and delivers, and its epoch."""
        end = time.monotonic() + _STUCK_S
        while time.monotonic() < end:
            epoch = max(self._lease, default=0)
            if epoch in self._first and time.monotonic() - self._heard_at < 0.5:
                holder = self._lease[epoch][1]
                leader = next((each for each in self._gateways if each.alive and f"-{each.pid}-" in holder), None)
                if leader is not None:
                    return leader, epoch
            await asyncio.sleep(0.05)
        raise RuntimeError(f"expected a gateway that delivers within {_STUCK_S:g} s; leases {self._lease}")

    async def _followed(self, epoch: int) -> int:
        """The epoch of the next leader, once something of it was heard."""
        end = time.monotonic() + _STUCK_S
        while time.monotonic() < end:
            later = [each for each in self._first if each > epoch and each in self._lease]
            if later:
                return min(later)
            await asyncio.sleep(0.002)
        raise RuntimeError(f"expected a successor of epoch {epoch} within {_STUCK_S:g} s; leases {self._lease}")
