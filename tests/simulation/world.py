"""One schedule: machines that run programs, faults that befall them, and what must be true all the while.

A seed decides everything. A schedule warms up, suffers faults for a while, is healed, and then has a bounded time in
which everything must be done: what is safe at every step, and what is live at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.clocks import simulated
from tests.simulation.loop import Process, SimulatedLoop, Stuck, current_process
from tests.simulation.network import Network
from tests.simulation.server import Server
from tests.simulation.streams import Stored, Stream

HOST, PORT = "simulated", 4222
URL = f"nats://{HOST}:{PORT}"
_LOOK_S = 0.25


@dataclass
class Report:
    """What came of a schedule; `violation` is empty where everything held."""

    seed: int
    scenario: str
    steps: int = 0
    virtual_s: float = 0.0
    violation: str = ""
    digest: str = ""
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)


class Machine:
    """A program that is started again when it ends; `program(machine)` is its life."""

    def __init__(self, world: World, name: str, program: Callable[[Machine], Awaitable[object]]) -> None:
        self.world, self.name, self._program = world, name, program
        self.url, self.replicas = URL, world.replicas
        self.lives = 0
        self.process: Process | None = None
        self.state: Any = None  # what the checks look at, set by the program
        self.ends: list[str] = []

    def start(self) -> None:
        """Begin a life."""
        if self.process is not None and self.process.alive:
            return
        self.lives += 1
        self.state = None
        self.process = self.world.loop.process(f"{self.name}.{self.lives}")
        self.world.loop.spawn(self.process, self._live)

    async def _live(self) -> None:
        try:
            await self._program(self)
            ended = "returned"
        except Exception as error:  # noqa: BLE001 (whatever ends a program: it is started again, as a supervisor does)
            ended = f"{type(error).__name__}: {error}"
        self.ends.append(ended)
        self.world.note(f"{self.name} ended: {ended}")
        self.kill()
        self.world.later(self.world.loop.dice.uniform(0.2, 1.0), self.start)

    @property
    def alive(self) -> bool:
        """Whether a life is going on."""
        return self.process is not None and self.process.alive

    def kill(self, *, host_lost: bool = False) -> None:
        """kill -9, or the machine itself is gone."""
        process, self.process = self.process, None
        if process is None:
            return
        self.world.kept.append(asyncio.all_tasks(self.world.loop))  # nothing of the dead is closed while others live
        self.world.kept.append(list(process.ready))
        self.world.loop.kill(process)
        self.world.network.process_ended(process, host_lost=host_lost)


class World:
    """The loop, the network, a server and machines. `current` is the one that runs, for what is logged; `recorder` is
    told of each message that a stream takes."""

    current: World | None = None
    recorder: Callable[[Stream, Stored], None] | None = None

    def __init__(self, seed: int, scenario: str) -> None:
        self.loop = SimulatedLoop(seed)
        self.network = Network(self.loop)
        self.server = Server(self.network, "n1", HOST, PORT)
        self.machines: dict[str, Machine] = {}
        self.report = Report(seed, scenario)
        # Messages that are pipelined into a stream of one server are in order or their connection is gone; where there
        # are three, any of them may be lost alone, and programs do not pipeline.
        self.replicas = self.loop.dice.choice((1, 3))
        self.server.cluster = "simulated" if self.replicas > 1 else ""
        self.kept: list[Any] = []
        self.checks: list[Callable[[], str]] = []  # after every step: what is wrong, or nothing
        self._digest = hashlib.blake2b(digest_size=8)
        self._context = self.loop.context_of(self.loop.world)
        if World.recorder is not None:
            self.server.jetstream.recorded = World.recorder
        World.current = self

    # -- for scenarios ---------------------------------------------------------------------------------------------

    def machine(self, name: str, program: Callable[[Machine], Awaitable[object]]) -> Machine:
        """A machine that is there from the beginning."""
        made = self.machines[name] = Machine(self, name, program)
        return made

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call in the world's own name."""
        self.loop.call_later(seconds, callback, context=self._context)

    def note(self, text: str) -> None:
        """A line of the story."""
        self.report.story.append(f"{self.loop.now_s:10.6f} step {self.loop.steps:>7} {text}")

    def violate(self, text: str) -> None:
        """Something that must never be is so: the schedule ends here."""
        if not self.report.violation:
            self.note(f"VIOLATION {text}")
            self.report.violation = text
            self.loop.stop()

    # -- running ---------------------------------------------------------------------------------------------------

    def run(
        self,
        suffer: Callable[[World], Awaitable[None]],
        done: Callable[[], str],
        *,
        before: Callable[[], Awaitable[None]],
        settle_s: float,
        at_end: Callable[[], str] = lambda: "",
    ) -> Report:
        """Run to the end. `done` says what is still to be done, empty for nothing."""

        async def life() -> None:
            await before()
            for machine in self.machines.values():
                machine.start()
            await suffer(self)
            self.note("healed")
            until = self.loop.now_s + settle_s
            while text := done():
                if self.loop.now_s > until:
                    self.violate(f"not done within {settle_s:g} s after the last fault: {text}")
                    return
                await asyncio.sleep(_LOOK_S)
            self.note("done")
            if text := at_end():
                self.violate(text)

        self.loop.trace = self._trace
        self.loop.after_step = self._after
        asyncio.set_event_loop(self.loop)
        with _quiet_collector(), simulated(self.loop, _skew_ns, _number):
            task = self.loop.spawn(self.loop.world, life)
            try:
                self.loop.run_until_complete(task)
            except Stuck as stuck:
                self.violate(str(stuck))
            except RuntimeError:  # the loop was stopped by a violation
                if not self.report.violation:
                    raise
        asyncio.set_event_loop(None)
        self.report.steps, self.report.virtual_s = self.loop.steps, self.loop.now_s
        self.report.digest = self._digest.hexdigest()
        return self.report

    def _trace(self, now_s: float, process: Process, handle: asyncio.Handle) -> None:
        del handle
        self._digest.update(f"{now_s:.9f}{process.name}".encode())

    def _after(self) -> None:
        for check in self.checks:
            if text := check():
                self.violate(text)
                return
        if self.loop.problems and not self.report.violation:
            problem = self.loop.problems.pop(0)
            self.violate(f"an error that nobody took: {problem}")


def _skew_ns() -> int:
    process = current_process()
    return 0 if process is None else process.skew_ns


def _number() -> int:
    process = current_process()
    return 1 if process is None else process.number


@contextlib.contextmanager
def _quiet_collector() -> Iterator[None]:
    """What a dead process left is closed by nobody until the schedule has ended."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


__all__ = ["HOST", "PORT", "URL", "Machine", "Report", "World"]
