"""Pace of a replay: event time divided by speed, silent stretches skipped; batches of what is due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import NamedTuple, Protocol, cast

from marketprism_application.ports.sources import MarketSource
from marketprism_domain.marketdata.tick import Tick

_LONG_NS = 60_000_000_000


class Pacer:
    """Says how long to wait before an instant of event time is due.

    `speed` None never waits. A silence longer than a minute of event time (a break, a night) is not waited for. What
    lies up to the positions that are read over, by source, is due at once, and the first behind it as well.
    """

    def __init__(self, speed: float | None, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._speed = speed
        self._monotonic_ns = monotonic_ns
        self._event = self._real = 0
        self._known: Mapping[str, int] = {}

    def read_over(self, known: Mapping[str, int]) -> None:
        """Somebody else has handed on what lies up to these positions. Another thread may be asking meanwhile."""
        self._known = dict(known)
        self._event = 0

    def reads_over(self, source: str, position: int) -> bool:
        """Whether somebody else has handed that on already; what comes behind it is due at once."""
        if position > self._known.get(source, 0):
            return False
        self._event = 0
        return True

    def wait_s(self, ts: int) -> float:
        """Seconds from now until `ts` is due, 0 when it is due already."""
        if self._speed is None:
            return 0.0
        now = self._monotonic_ns()
        if not self._event or ts - self._event > _LONG_NS:
            self._event, self._real = ts, now
            return 0.0
        due = self._real + int((ts - self._event) / self._speed)
        # Move the anchor on, so that silence is measured from the last tick.
        self._event, self._real = max(ts, self._event), due
        return max(0.0, (due - now) / 1e9)


class PacedSource(Protocol):
    """A source that waits until what it hands on is due."""

    def read_over(self, known: Mapping[str, int]) -> None:
        """Wait for nothing up to these positions, by source: another reader has handed that on. Before `stream`, and
        again while it runs where later ones become known."""
        ...


def paced_source(source: MarketSource) -> PacedSource | None:
    """The source with the call that moves its pace on, None when it never waits."""
    return cast("PacedSource", source) if source.traits.paced else None


class _Collected(NamedTuple):
    ticks: list[Tick]
    held: Tick | None  # read, but not due for `wait_s`
    wait_s: float
    ended: bool


async def paced_batches(
    ticks: Iterator[Tick], after: Mapping[str, int], pacer: Pacer, batch_rows: int
) -> AsyncIterator[list[Tick]]:
    """Ticks behind `after` in batches, each handed on when its ticks are due; none is empty.

    Reading and parsing happen in a thread, so that heartbeats go on while a file is slow.
    """
    held: Tick | None = None
    while True:
        found = await asyncio.to_thread(_collect, ticks, held, after, pacer, batch_rows)
        if found.ticks:
            yield found.ticks
        if found.ended:
            return
        if found.wait_s > 0:
            await asyncio.sleep(found.wait_s)
        held = found.held


def _collect(
    ticks: Iterator[Tick], held: Tick | None, after: Mapping[str, int], pacer: Pacer, batch_rows: int
) -> _Collected:
    batch = [held] if held is not None else []
    for tick in ticks:
        if tick.source_seq <= after.get(tick.source, 0):
            continue
        wait_s = 0.0 if pacer.reads_over(tick.source, tick.source_seq) else pacer.wait_s(tick.ts_recv)
        if wait_s > 0 or len(batch) >= batch_rows:
            return _Collected(batch, tick, wait_s, ended=False)
        batch.append(tick)
    return _Collected(batch, None, 0.0, ended=True)
