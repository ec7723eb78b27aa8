"""Running a process: signals, draining with a deadline, exit code."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.service._service_manager import ServiceManager, managed_by

log = get_logger(__name__)
T = TypeVar("T")

DRAIN_S = 8.0  # less than the ten seconds that container engines give
_COLLECT = (100_000, 20, 100)


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None when `stop` is set first, and the work is cancelled then. Raises what it raises."""
    task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        stopping.cancel()
        task.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


async def until_signalled(
    main: Callable[[asyncio.Event], Awaitable[int]], drain_s: float = DRAIN_S, *, services: int = 1
) -> int:
    """Run `main(stop)`; SIGTERM, SIGINT or SIGHUP sets `stop`, as `main` itself may; a second SIGINT, or the deadline,
    ends it at once.

    A second SIGTERM is the same request from somebody else: systemd and containers signal every process, and whoever
    started this one signals it too. A hangup, of a terminal that was closed, is ignored where it was when this began,
    as below nohup.

    systemd is told when all of its `services` are ready, that the loop turns, and that the end has begun.

    Raises:
        ConfigurationError: the variables by which systemd says how have no meaning.
    """
    manager = ServiceManager.taken_from(os.environ, services)
    managed_by(manager)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked(name: str) -> None:
        if stop.is_set():
            if name == signal.SIGINT.name:
                os._exit(130)
            return
        log.info("service.stopping", signal=name)
        stop.set()
        loop.call_later(drain_s, _too_late)

    async def end_in_time() -> None:
        await stop.wait()  # which nobody from outside may have asked for
        manager.stopping()
        loop.call_later(drain_s, _too_late)

    def _too_late() -> None:
        log.error("service.drain_timed_out", drain_s=drain_s)
        os._exit(1)

    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    asking = (signal.SIGTERM, signal.SIGINT, *hangup)
    for number in asking:
        loop.add_signal_handler(number, asked, number.name)
    deadline = asyncio.create_task(end_in_time(), name="drain deadline")
    life = asyncio.create_task(manager.show_life(), name="watchdog")
    try:
        return await main(stop)
    finally:
        deadline.cancel()
        life.cancel()
        for number in asking:
            loop.remove_signal_handler(number)


def run(main: Callable[[asyncio.Event], Awaitable[int]], drain_s: float = DRAIN_S, *, services: int = 1) -> int:
    """`until_signalled` on uvloop where there is one."""
    # What flows through a service is made by the hundred thousand and holds no cycles: to look for some every 700
    # objects costs a third of a busy process, and a tenth of a second at a time where much is waiting.
    gc.set_threshold(*_COLLECT)
    try:
        import uvloop  # noqa: PLC0415 (optional)
    except ImportError:
        return asyncio.run(until_signalled(main, drain_s, services=services))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(until_signalled(main, drain_s, services=services))
