"""An event loop with a time of its own, on which several processes live and die.

Nothing waits: where no process has anything to do, the clock goes to the next timer. Within a process callbacks run in
their order, as asyncio promises; which process runs next is thrown with the seed's dice. A process that was killed never
runs again, not even its `finally`; one that is frozen runs when it is thawed, with everything that came meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import random
from asyncio import base_events
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.network import Network

_LONGEST_STEP_S = 40e-6  # what one callback takes, at most
_process_numbers = itertools.count(1)
_running: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Process:
    """A program on a machine; `skew_ns` is how far its wall clock is from the world's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = next(_process_numbers)  # what the program takes for its process id
        self.alive = True
        self.frozen = False
        self.skew_ns = 0
        self.slowness = 1.0  # how much longer its callbacks take: a machine that has too much to do
        self.ready: deque[_Callback | _Timer] = deque()
        self.tasks: list[asyncio.Task[Any]] = []  # kept, so that nothing of a dead process is closed while others live

    def __repr__(self) -> str:
        return self.name


def current_process() -> Process | None:
    """The process whose callback runs, None for the world."""
    return _running.get()


class _Owned:
    """A callback of a process."""

    _context: contextvars.Context
    _run: Callable[[], None]

    def owner(self) -> Process | None:
        """Whose it is, None for the world's."""
        return self._context.get(_running)

    def take(self) -> None:
        """Call it."""
        self._run()


class _Callback(_Owned, asyncio.Handle):  # type: ignore[misc]
    """One that is due."""


class _Timer(_Owned, asyncio.TimerHandle):  # type: ignore[misc]
    """One that is due later."""


_numbers = itertools.count()


class _Task(asyncio.Task[Any]):
    """A task whose place in a set is the same whenever a schedule is repeated."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self._number = next(_numbers)
        super().__init__(*args, **more)

    def __hash__(self) -> int:
        return self._number


class _Future(asyncio.Future[Any]):
    """As `_Task`."""

    def __init__(self, **more: Any) -> None:
        self._number = next(_numbers)
        super().__init__(**more)

    def __hash__(self) -> int:
        return self._number


class Stuck(Exception):
    """Nothing is left that could ever happen."""


class SimulatedLoop(base_events.BaseEventLoop):
    """`dice` is the only source of chance; `steps` counts callbacks."""

    network: Network

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dice = random.Random(seed)
        self.now_s = 1.0
        self.steps = 0
        self.world = Process("world")
        self.processes: list[Process] = [self.world]
        self.after_step: Callable[[], None] | None = None
        self.trace: Callable[[float, Process, asyncio.Handle], None] | None = None
        self.problems: list[str] = []
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = 0
        self.set_exception_handler(self._note)
        self.set_task_factory(lambda loop, work, **more: _Task(work, loop=loop, **more))

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.problems.append(f"{context.get('message', '')}: {error!r}")

    def time(self) -> float:
        return self.now_s

    # -- processes -------------------------------------------------------------------------------------------------

    def process(self, name: str) -> Process:
        """A new process."""
        made = Process(name)
        self.processes.append(made)
        return made

    def context_of(self, process: Process | None) -> contextvars.Context:
        """A context whose callbacks are of a process."""
        context = contextvars.copy_context()
        context.run(_running.set, None if process is self.world else process)
        return context

    def spawn(self, process: Process, work: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        """Begin to work in a process."""
        context = self.context_of(process)

        async def run() -> Any:
            return await work()

        task = context.run(self.create_task, run())
        process.tasks.append(task)
        return task

    def kill(self, process: Process) -> None:
        """The process is gone between two callbacks."""
        process.alive = False
        process.ready.clear()
        if process in self.processes:
            self.processes.remove(process)

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(loop=self)

    # -- what asyncio asks for -------------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = _Callback(callback, args, self, context)
        self._enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + max(0.0, delay), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        return None

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """A thread ends a while later; what it does is done at once and by itself."""
        future: asyncio.Future[Any] = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                found = func(*args)
            except BaseException as error:  # noqa: BLE001 (as a thread does: it is the result)
                future.set_exception(error)
            else:
                future.set_result(found)

        self.call_later(self.dice.uniform(0, 1e-3), run)
        return future

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        return await self.network.connect(protocol_factory, str(host), int(port))

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:  # type: ignore[override]
        del protocol_factory
        return self.network.listen(str(host), int(port))

    # -- one step --------------------------------------------------------------------------------------------------

    def _enqueue(self, handle: _Callback | _Timer) -> None:
        owner = handle.owner() or self.world
        if owner.alive:
            owner.ready.append(handle)

    def _run_once(self) -> None:
        timers = self._timers
        while True:
            while timers and (timers[0][2].cancelled() or timers[0][0] <= self.now_s):
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled():
                    self._enqueue(timer)
            able = [each for each in self.processes if each.ready and not each.frozen]
            if able:
                break
            if not timers:
                raise Stuck("no process has anything to do, and no timer runs")
            self.now_s = max(self.now_s, timers[0][0])
        chosen = able[0] if len(able) == 1 else able[int(self.dice.random() * len(able))]
        handle = chosen.ready.popleft()
        if handle.cancelled():
            return
        self.steps += 1
        if self.trace is not None:
            self.trace(self.now_s, chosen, handle)
        handle.take()
        self.now_s += self.dice.random() * _LONGEST_STEP_S * chosen.slowness
        if self.after_step is not None:
            self.after_step()

    def _process_events(self, event_list: Any) -> None:
        return None

    def _write_to_self(self) -> None:
        return None
