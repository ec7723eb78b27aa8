"""Gateways of a counter under faults: one front, three processes that want to be the one that is logged in.

The front goes on with its market whoever listens, and knows who was let in and who was heard. What a gateway did not
see is gone: it must lie in a gap that is named, and bars over it must say so.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from nats.aio.msg import Msg

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.packed import decode_packed
from marketprism_sdk.election import LEASES, decode_lease
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.testing import Child, FaultyProxy
from marketprism_services.chaos.counters.audit import audit
from marketprism_services.chaos.program import start_program, start_service
from marketprism_services.chaos.report import Report, percentile
from marketprism_services.chaos.settings import trial_settings
from marketprism_services.platform import run_files
from marketprism_services.platform.catalogue import sharded
from marketprism_services.settings.settings import Settings

log = structlog.get_logger()

Say = Callable[[str], None]
FAULTS = ("kill", "freeze", "cut", "front-lost")
_GATEWAYS = 3
_AWAY_S = 4.0  # cut off; frozen for at most so long, and for longer than a takeover takes
_FROZEN_S = 1.6
_STUCK_S = 60.0


@asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    """Raises TimeoutError that says what was waited for: one without a text says nothing at the end of a trial."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TimeoutError(f"expected {what} within {seconds:g} s") from error


@dataclass(eq=False)
class _Gateway:
    """A process and what stands between it and the rest."""

    name: str
    child: Child
    nats: FaultyProxy
    front: FaultyProxy


class CounterTrial:
    """`trials` faults of one kind on whoever is logged in, while the front plays recordings `speed` times as fast."""

    def __init__(
        self, settings: Settings, recordings: list[str], fault: str, trials: int, *, speed: float, seed: int, say: Say
    ) -> None:
        self._given = settings
        self._recordings = recordings
        self._fault = fault
        self._trials = trials
        self._speed = speed
        self._dice = random.Random(seed)
        self._say = say
        self._gateways: list[_Gateway] = []
        self._others: list[Child] = []
        self._count = 0
        self._sessions: dict[int, dict[str, Any]] = {}  # what the front told of market-data sessions
        self._ended = asyncio.Event()
        self._front: Child
        self._front_port = 0
        self._lease: dict[int, tuple[float, str]] = {}  # epoch: when it was first seen, and whose it is
        self._first_tick: dict[int, float] = {}  # epoch: when its first ticks were in the raw log
        self._last_tick_at = 0.0
        self._later: set[asyncio.Task[None]] = set()
        self.logins_ms: list[float] = []

    async def run(self) -> Report:
        """Play a recording through several gateways, cause the fault, count what is stored; the report."""
        report = Report(f"counter-{self._fault}", 0, "from the fault to the next leader's lease; the login is apart")
        with tempfile.TemporaryDirectory(prefix="marketprism-trials-") as name:
            folder = Path(name)
            server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
            connection = await NatsConnection.open(server.url, name="trial")
            try:
                await self._play(folder, server, connection, report)
            finally:
                for task in self._later:
                    task.cancel()
                await connection.close()
                await self._clear()
                await server.stop()
        report.notes.append(
            f"login, from the lease to the first tick in the log, ms: p50 {percentile(self.logins_ms, 0.5):.1f}, "
            f"p90 {percentile(self.logins_ms, 0.9):.1f}, p99 {percentile(self.logins_ms, 0.99):.1f}"
        )
        return report

    async def _play(self, folder: Path, server: EmbeddedServer, connection: NatsConnection, report: Report) -> None:
        await streams.ensure_streams(connection)
        leaders = await NatsKeyValue.open(connection, LEASES)
        await leaders.watch("gateway.ctp", self._leads)
        await connection.subscribe("market.raw.*", self._read)
        await self._start_front()
        config = self._config(folder / "pipeline.json", server.url, self._front_port)
        self._others = [await start_service(service, config) for service in sharded()]
        await asyncio.sleep(2.0)
        for _ in range(_GATEWAYS):
            await self._add(folder, server.port)
        for number in range(1, self._trials + 1):
            if not await self._strike(number, folder, server.port, report):
                break
        await self._settle(connection)
        await audit(connection, self._given, self._recordings, report)
        self._overlaps(report)

    # -- who is there -----------------------------------------------------------------------------------------------

    async def _start_front(self) -> None:
        listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def hear(_: Child, told: dict[str, Any]) -> None:
            if told.get("event") == "listening":
                listening.set_result(str(told["front"]))
            elif told.get("event") == "end":
                self._ended.set()
            elif told.get("side") == "md":
                self._sessions.setdefault(int(told["session"]), {}).update({str(told["event"]): told})

        play = ("front", *self._recordings, "--port", "0", "--speed", str(self._speed))
        self._front = await start_program("front", *play, on_line=hear)
        async with _within(60.0, "the front to listen"):
            address = await listening
        self._front_port = int(address.rpartition(":")[2])

    def _config(self, path: Path, nats_url: str, front_port: int) -> Path:
        given, front = self._given, f"sim://127.0.0.1:{front_port}"
        settings = trial_settings(
            given,
            nats_url,
            path.parent / path.stem,
            spec="ctp",
            ctp=replace(given.ctp, md_fronts=(front,), td_fronts=(front,), user="trial"),
            log=given.log.model_copy(update={"level": "error"}),
        )
        run_files.write_whole(path, settings)
        return path

    async def _add(self, folder: Path, nats_port: int) -> None:
        """One more gateway, with lines of its own to NATS and to the front."""
        self._count += 1
        proxies = FaultyProxy("127.0.0.1", nats_port), FaultyProxy("127.0.0.1", self._front_port)
        for proxy in proxies:
            await proxy.start()
        config = self._config(folder / f"g{self._count}.json", proxies[0].url, proxies[1].port)
        child = await start_service("gateway", config)
        self._gateways.append(_Gateway(f"g{self._count}", child, *proxies))

    def _leads(self, entry: KvEntry) -> None:
        record = decode_lease(entry)
        if record is not None and record.holder:
            self._lease.setdefault(record.epoch, (time.monotonic(), record.holder))

    def _read(self, message: Msg) -> None:
        packed = decode_packed(message.data)
        if packed.ticks:
            self._last_tick_at = time.monotonic()
            self._first_tick.setdefault(packed.epoch, self._last_tick_at)

    # -- faults -----------------------------------------------------------------------------------------------------

    async def _strike(self, number: int, folder: Path, nats_port: int, report: Report) -> bool:
        """One fault, when ticks flow and somebody stands by; False when the market is over."""
        leader = await self._flowing()
        if leader is None:
            return False
        await asyncio.sleep(self._dice.uniform(0.2, 1.0))
        epoch, struck = max(self._lease), time.monotonic()
        stays = self._fault == "front-lost"
        if self._fault == "kill":
            leader.child.kill()
        elif self._fault == "freeze":
            leader.child.freeze()
        else:
            leader.front.cut() if not stays else leader.front.drop()
            if not stays:
                leader.nats.cut()
        before = self._last_tick_at
        end = struck + _STUCK_S
        while True:
            if stays and self._last_tick_at > before + 0.25:
                report.times_ms.append((self._last_tick_at - struck) * 1_000)
                break
            if not stays and any(later > epoch for later in self._first_tick):
                successor = min(later for later in self._first_tick if later > epoch)
                taken = self._lease.get(successor, (self._first_tick[successor], ""))[0]
                report.times_ms.append((taken - struck) * 1_000)
                self.logins_ms.append((self._first_tick[successor] - taken) * 1_000)
                break
            if self._ended.is_set() or time.monotonic() > end:
                return self._ended.is_set()
            await asyncio.sleep(0.002)
        report.trials += 1
        took = "" if stays else f", login {self.logins_ms[-1]:.0f} ms"
        self._say(f"{number}: {self._fault} {leader.name}: {report.times_ms[-1]:.0f} ms{took}")
        self._do_later(self._mend(leader, folder, nats_port))
        return True

    async def _flowing(self) -> _Gateway | None:
        """The gateway that leads, once ticks flow and another is alive; None at the market's end."""
        end = time.monotonic() + _STUCK_S
        while time.monotonic() < end and not self._ended.is_set():
            if self._lease and time.monotonic() - self._last_tick_at < 0.2 and len(self._gateways) > 1:
                holder = self._lease[max(self._lease)][1]
                leader = next((g for g in self._gateways if g.child.alive and f"-{g.child.pid}-" in holder), None)
                if leader is not None and max(self._lease) in self._first_tick and not self._later:
                    return leader
            await asyncio.sleep(0.05)
        if not self._ended.is_set():
            raise RuntimeError(f"expected ticks, a leader and a standby within {_STUCK_S:g} s; leases {self._lease}")
        return None

    async def _mend(self, gateway: _Gateway, folder: Path, nats_port: int) -> None:
        if self._fault == "kill":
            await gateway.child.end()
            self._gateways.remove(gateway)
            await self._add(folder, nats_port)
            await asyncio.sleep(2.5)  # until it stands by
            return
        # A front forgets a silent session after three seconds: by turns before and after it the frozen one wakes.
        frozen_s = self._dice.uniform(_FROZEN_S, _AWAY_S)
        await asyncio.sleep({"freeze": frozen_s, "front-lost": 0.5}.get(self._fault, _AWAY_S))
        gateway.child.thaw()
        gateway.nats.heal()
        gateway.front.heal()
        await asyncio.sleep(1.0)

    def _do_later(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._done_later)

    def _done_later(self, task: asyncio.Task[None]) -> None:
        self._later.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(f"a gateway that was struck is not back: {str(error) or type(error).__name__}")

    # -- the end ----------------------------------------------------------------------------------------------------

    async def _settle(self, connection: NatsConnection) -> None:
        """The market ends, and everything of it goes through."""
        async with _within(_STUCK_S, "gateways that were struck to be back"):
            await asyncio.gather(*self._later)
        await asyncio.sleep(1.0)
        for gateway in self._gateways:
            gateway.child.terminate()
        for gateway in self._gateways:
            await gateway.child.end()
        async with _within(_STUCK_S, "NATS to take what was sent"):
            await connection.flush()
        await asyncio.sleep(5.0)

    def _overlaps(self, report: Report) -> None:
        """Two sessions of one user that were both heard after both had been let in."""
        known = [session for session in self._sessions.values() if "login" in session]
        spans = [[(max(a, s["login"]["t"]), b) for a, b in s.get("left", {}).get("alive", ())] for s in known]
        together = [
            (min(a[1], b[1]) - max(a[0], b[0])) / 1e6
            for n, one in enumerate(spans)
            for other in spans[n + 1 :]
            for a in one
            for b in other
            if min(a[1], b[1]) > max(a[0], b[0])
        ]
        report.notes.append(
            f"{len(spans)} sessions at the front; two alive at once: {len(together)} times"
            + (f", at most {max(together):.0f} ms" if together else "")
        )
        if self._fault in ("kill", "cut"):
            report.wrong += len(together)

    async def _clear(self) -> None:
        for child in [*(g.child for g in self._gateways), *self._others, self._front]:
            child.thaw()
            child.kill()
            await child.end()
        for gateway in self._gateways:
            await gateway.nats.stop()
            await gateway.front.stop()
