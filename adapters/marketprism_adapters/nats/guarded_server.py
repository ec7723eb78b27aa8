"""A nats-server that ends while its disk is slow or its machine is cut off, and comes back when that is over.

A server whose disk hardly takes anything still answers its peers: it goes on leading its streams, and whoever writes to
them waits for as long as the disk is slow. Asked to step down it writes that to the same disk first (ADR 104). One that
is cut off calls for elections until it is back, and makes every leader step down then (ADR 106).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import structlog

from marketprism_adapters.nats.disk_probe import DiskProbe
from marketprism_adapters.nats.peer_watch import PeerWatch, Place
from marketprism_sdk.observability.outages import Outage
from marketprism_sdk.service import die_with_parent

log = structlog.get_logger()

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = {signal.SIGTERM, signal.SIGINT}
_LOOK_S = 0.1
_ANSWER_S = 1.0
_AGAIN_WITHIN_S, _MOST_CALM = 60.0, 16
_MOST_BYTES = 1_000
_LOOKS_ALONE, _LOOKS_REACHED = 5, 2  # two and a half seconds: the first calls for an election come after three
_DISK, _NETWORK = "disk", "network"
_ITSELF, _AWAY = "is this one", "is away"  # what another one is found to be


class GuardedServer:
    """The server as a child of this process.

    No quick write for longer than `stall_s` seconds ends it at once, if the guard of every other server says that its
    own is up and its disk quick: two that end together leave a cluster of three without a majority, and where all disks
    are slow nothing is won. It starts again when each write of the last `calm_s` seconds was well; a disk that is slow
    again within a minute has to be well for longer. It is not started at all before the disk has taken something.

    Where the machine has reached another one before, and reaches none by five looks, it ends too: before it calls for
    its first election. It starts again when one is reached by two looks. Cut off again within a minute it waits for
    more of them, but not where so many of the others say that they are away that there is no majority without it.

    Whoever connects to `listen` is told how server and disk are, and can ask nothing else. One of `others` may be this
    guard itself, which is passed over.
    """

    def __init__(
        self,
        command: Sequence[str],
        probe: DiskProbe,
        listen: Place,
        others: Sequence[Place],
        *,
        stall_s: float = 5.0,
        calm_s: float = 10.0,
        watch: PeerWatch | None = None,
    ) -> None:
        self._command = list(command)
        self._probe = probe
        self._listen = listen
        self._others = others
        self._stall_s = stall_s
        self._calm_s = calm_s
        self._name = secrets.token_hex(8)
        self._watch = watch or PeerWatch(others, self._name)
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = asyncio.Event()
        self._stays = Outage()
        self._ended_for = ""
        self._back_at = -_AGAIN_WITHIN_S
        self._longer = 1

    async def run(self) -> int:
        """Until the server ends by itself or is asked to; its exit code, 128 and more by a signal.

        Raises:
            OSError: `listen` is no address of this machine, or is taken.
        """
        telling = await asyncio.start_server(self._tell, self._listen.host, self._listen.port)
        self._probe.start()
        watching = asyncio.create_task(self._watch.run())
        try:
            await self._well_for(0.0)
            while not self._ending.is_set():
                code = await self._serve()
                if code is not None:
                    return code if code >= 0 else 128 - code
                await self._well_again()
            return 0
        finally:
            telling.close()
            watching.cancel()
            self._probe.stop()
            if self._is_up():
                self._send(signal.SIGKILL)

    def forward(self, number: signal.Signals) -> None:
        """A signal of whoever looks after the server is for it."""
        self._send(number)
        if number in _ENDING:
            self._ending.set()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = {"guard": self._name, "up": self._is_up(), "slow_for_s": round(self._probe.slow_for_s, 3)}
        with contextlib.suppress(OSError):
            writer.write(json.dumps(found).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _serve(self) -> int | None:
        """The exit code, None where the server was ended because of its disk or of the network."""
        # From this thread: the child gets its death signal when the thread that started it ends.
        process = self._process = subprocess.Popen(self._command, preexec_fn=die_with_parent())  # noqa: S603, PLW1509, ASYNC220
        self._ended_for = ""
        while (code := process.poll()) is None:  # once killed it may wait for the disk even so
            if not self._ended_for and self._is_alone():
                log.error("server.cut_off", detail="nats-server ends, and starts again when another machine is reached")
                self._ended_for = _NETWORK
                process.kill()
            elif not self._ended_for and self._probe.slow_for_s > self._stall_s and await self._may_end():
                self._tell_stalled("nats-server ends, and starts again when the disk is well")
                self._ended_for = _DISK
                process.kill()
            await asyncio.sleep(_LOOK_S)
        return None if self._ended_for else code

    def _is_alone(self) -> bool:
        """It has lost the others: one that has yet to see them waits for them as it is."""
        return self._watch.ever_reached and self._watch.looks_alone >= _LOOKS_ALONE

    async def _may_end(self) -> bool:
        """Whether the others can lead; not asked all at once, where their disks are one."""
        await asyncio.sleep(random.uniform(0.0, _ANSWER_S))
        found = await asyncio.gather(*(self._why_not(each) for each in self._others))
        if self._probe.slow_for_s <= self._stall_s or self._ending.is_set():
            return False
        able = ("", _ITSELF)
        reasons = [f"{place} {why}" for place, why in zip(self._others, found, strict=True) if why not in able]
        if not reasons:
            self._stays.ended()
            return True
        if self._stays.failed():
            self._tell_stalled(f"nats-server stays: {', '.join(reasons)}")
        return False

    async def _why_not(self, place: Place) -> str:
        """Why another one cannot lead, empty where it can; whether it is this one itself."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await asyncio.open_connection(place.host, place.port, limit=_MOST_BYTES)
                with contextlib.closing(writer):
                    found = json.loads(await reader.readline())
            if found["guard"] == self._name:
                return _ITSELF
            if found["up"] is not True:
                return _AWAY
            return "" if float(found["slow_for_s"]) < self._stall_s / 2 else "has a slow disk too"
        except (OSError, TimeoutError):
            return "does not answer"
        except (ValueError, TypeError, KeyError, RecursionError):
            return "is no guard of a nats-server"

    def _tell_stalled(self, detail: str) -> None:
        folder, slow_for_s = str(self._probe.folder), round(self._probe.slow_for_s, 1)
        log.error("server.disk_stalled", folder=folder, slow_for_s=slow_for_s, detail=detail)

    async def _well_again(self) -> None:
        """Wait for what it was ended for, or until this process is to end."""
        now = time.monotonic()
        self._longer = min(2 * self._longer, _MOST_CALM) if now - self._back_at < _AGAIN_WITHIN_S else 1
        if self._ended_for == _NETWORK:
            await self._reached_again()
        await self._well_for(self._calm_s * self._longer if self._ended_for == _DISK else 0.0)
        self._back_at = time.monotonic()
        away_s = round(self._back_at - now, 1)
        if self._ending.is_set():
            return
        if self._ended_for == _DISK:
            log.warning("server.disk_well", folder=str(self._probe.folder), away_s=away_s)
        else:
            log.warning("server.reached_again", away_s=away_s)

    async def _reached_again(self) -> None:
        """Longer where it was cut off within a minute, if the others can do without it."""
        while not self._ending.is_set():
            await self._until(lambda: self._watch.looks_reached >= _LOOKS_REACHED)
            if self._watch.looks_reached >= _LOOKS_REACHED * self._longer or await self._is_needed():
                return
            await asyncio.sleep(_LOOK_S)

    async def _is_needed(self) -> bool:
        """Whether the others are no majority without it; of one that does not say that it is away that is not known."""
        found = await asyncio.gather(*(self._why_not(each) for each in self._others))
        others = len(found) - found.count(_ITSELF)
        return others - found.count(_AWAY) <= (others + 1) // 2 and self._watch.looks_reached >= _LOOKS_REACHED

    async def _well_for(self, wanted_s: float) -> None:
        await self._until(lambda: self._probe.well_s > wanted_s)

    async def _until(self, is_well: Callable[[], bool]) -> None:
        while not is_well() and not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._ending.wait()


__all__ = ["FORWARDED", "GuardedServer"]
