"""A scene of a test: the product's own code before a simulated server, in virtual time.

Nothing waits, nothing depends on the machine, and the server meets what comes as the test says: `scene.server.meet`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api
from tests.simulation.clocks import lent, simulated
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.server import Server, Session
from tests.simulation.streams import Incoming, Stored
from tests.simulation.subjects import matches, parse_headers

_LONGEST_S = 300.0  # of virtual time: a test that is not over by then waits for what never comes
Fate = str | float | dict[str, Any] | Callable[[bytes], bytes]
LOST, UNHEARD, NOBODY, TAKEN = "lost", "unheard", "nobody", "taken"


def refusal(code: int, description: str = "as the test says", status: int = 400) -> Fate:
    """The fate of what is refused, with a code of JetStream's."""
    return {"code": status, "err_code": code, "description": description}


def denied(code: int) -> Fate:
    """The fate of what is taken and refused all the same: by a server that led the stream before."""
    return {"code": 400, "err_code": code, "description": "as the test says", "taken": True}


class Came(NamedTuple):
    """A message of a client that reached the server at a time of the loop."""

    subject: str
    headers: dict[str, str]
    data: bytes
    at_s: float

    @property
    def batch(self) -> str:
        """The batch that it is of, empty where of none."""
        return self.headers.get("Nats-Batch-Id", "")


class MeetingServer(Server):
    """Keeps what came, and has a fate for some of it: `LOST` (nobody takes it or answers), `UNHEARD` (taken, the answer
    is lost), `NOBODY` (no stream there), a `refusal`, `TAKEN` (as ever), a number (so many seconds later), a function (which
    makes other data of it); each once, in their order."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, "n1", "simulated", 4222)
        self.came: list[Came] = []
        self._fates: list[tuple[str, deque[Fate]]] = []
        self._before: list[tuple[str, Callable[[], None]]] = []

    def meet(self, pattern: str, *fates: Fate) -> None:
        """What becomes of the next messages of such subjects."""
        self._fates.append((pattern, deque(fates)))

    def before(self, pattern: str, act: Callable[[], None]) -> None:
        """Do something once, just before the next message of such a subject is looked at."""
        self._before.append((pattern, act))

    def publish(self, session: Session, subject: str, reply: str, raw: bytes, data: bytes) -> None:
        """A client's message meets its fate."""
        self.came.append(Came(subject, parse_headers(raw) if raw else {}, data, self.loop.now_s))
        for pattern, act in list(self._before):
            if matches(pattern, subject):
                self._before.remove((pattern, act))
                act()
        fate = next((fates.popleft() for pattern, fates in self._fates if fates and matches(pattern, subject)), TAKEN)
        if isinstance(fate, dict):
            if fate.get("taken"):
                super().publish(session, subject, "", raw, data)
            self.deliver(reply, reply, "", b"", json.dumps({"error": fate, "stream": "", "seq": 0}).encode())
        elif isinstance(fate, float):
            self.loop.call_later(fate, super().publish, session, subject, reply, raw, data, context=self._context)
        elif callable(fate):
            super().publish(session, subject, reply, raw, fate(data))
        elif fate == NOBODY:
            self._nobody(session, reply)
        elif fate != LOST:
            super().publish(session, subject, "" if fate == UNHEARD else reply, raw, data)


class Scene:
    """A loop, a server, and connections to it."""

    def __init__(self, seed: int = 1) -> None:
        self.loop = SimulatedLoop(seed)
        self.network = Network(self.loop)
        self.server = MeetingServer(self.network)
        self._connections: list[NatsConnection] = []

    @property
    def now_s(self) -> float:
        return self.loop.now_s

    async def connect(self, name: str = "test") -> NatsConnection:
        """A connection, closed when the scene is over."""
        made = await NatsConnection.open("nats://simulated:4222", name=name)
        self._connections.append(made)
        return made

    async def stream(self, name: str, *subjects: str, **config: Any) -> None:
        """Make a stream."""
        every = {"name": name, "subjects": list(subjects), "allow_direct": True, "allow_atomic": True, **config}
        await api(self._connections[0], f"STREAM.CREATE.{name}", every)

    def put(self, subject: str, *data: bytes, headers: dict[str, str] | None = None) -> None:
        """Somebody who needs no connection publishes it."""
        stream = self.server.jetstream.stream_of(subject)
        assert stream is not None
        for each in data:
            self.server.jetstream.take(stream, Incoming(subject, headers or {}, each), "")

    def work(self, seconds: float) -> None:
        """Something is done for so long without giving way."""
        self.loop.now_s += seconds

    def stored(self, stream: str, pattern: str = ">") -> list[Stored]:
        """What a stream holds of some subjects."""
        held = self.server.jetstream.streams[stream].messages.values()
        return [each for each in held if matches(pattern, each.subject)]

    def data(self, stream: str, pattern: str = ">") -> list[bytes]:
        """Their payloads."""
        return [each.data for each in self.stored(stream, pattern)]

    def came(self, pattern: str) -> list[Came]:
        """What clients sent of some subjects, whatever became of it."""
        return [each for each in self.server.came if matches(pattern, each.subject)]

    def reset(self) -> None:
        """Every TCP connection is no more; whoever had one makes another."""
        for link in list(self.network.links):
            link.end()

    async def until(self, holds: Callable[[], object], within_s: float = 20.0) -> None:
        """Let time go on until it holds.

        Raises:
            AssertionError: it does not within that time.
        """
        end = self.now_s + within_s
        while not holds():
            assert self.now_s < end, f"not within {within_s:g} s"
            await asyncio.sleep(0.002)

    def play(self, life: Callable[[], Awaitable[None]]) -> None:
        """Run it to its end.

        Raises:
            AssertionError: an error came up that nobody took.
        """

        async def whole() -> None:
            try:
                async with asyncio.timeout(_LONGEST_S):
                    await life()
            finally:
                rest = asyncio.all_tasks() - {asyncio.current_task()}
                mine = [task for task in rest if not task.get_name().startswith("nats")]
                for connection in self._connections:
                    with contextlib.suppress(Exception):
                        await connection.close()
                for task in mine:
                    task.cancel()
                await asyncio.gather(*mine, return_exceptions=True)

        asyncio.set_event_loop(self.loop)
        try:
            with lent(), simulated(self.loop, lambda: 0):
                self.loop.run_until_complete(whole())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
        gc.collect(1)  # an error that nobody took is told of when its task is thrown away
        assert not self.loop.problems


def played(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test whose first argument is a scene, in which it is played."""

    @functools.wraps(test)
    def run(*arguments: Any, **more: Any) -> None:
        scene = Scene()
        scene.play(lambda: test(scene, *arguments, **more))

    signature = inspect.signature(test)
    run.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return run
