"""What a gateway's session writes to, in memory: logs, positions, events, and an observer that notes what happens."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marketprism_application.contracts.kinds import ORDERBOOK, TRADE
from marketprism_application.contracts.packed import Packed
from marketprism_application.contracts.venue_messages import Message, kind_of, message_id
from marketprism_application.errors import SourceError
from marketprism_application.gateway.outlet import Outlet
from marketprism_application.ports.sources import MarketSource, ResumePoint, counting_source
from marketprism_domain.events.registry import SubscriptionFailed
from marketprism_domain.marketdata.instrument_record import InstrumentRecord


class StaleEpoch(Exception):
    """A leader of a later epoch has opened the log."""


class MemoryLogs:
    """Both logs of a group of gateways: what is in them, and the epoch that may write."""

    def __init__(self) -> None:
        self.epoch = 0
        self.raw: list[tuple[int, Packed]] = []
        self.data: dict[str, Message] = {}
        self.opened = self.closed = 0

    async def open(self, epoch: int) -> Outlet:
        """Both for a leader; whoever opened them under an earlier epoch is refused from now on."""
        self.epoch = max(self.epoch, epoch)
        self.opened += 1
        return Outlet(MemoryRawLog(self, epoch), MemoryMarketDataLog(self, epoch))

    def check(self, epoch: int) -> None:
        """Raises StaleEpoch for an epoch that has been followed by another."""
        if epoch < self.epoch:
            raise StaleEpoch(f"epoch: expected {self.epoch}, was {epoch}")


class MemoryRawLog:
    """Fulfils `RawLog`."""

    def __init__(self, logs: MemoryLogs, epoch: int) -> None:
        self._logs = logs
        self._epoch = epoch
        self._chains: dict[int, int] = defaultdict(int)
        self._sent: list[tuple[int, Packed]] = []

    async def send(self, messages: Sequence[tuple[int, Packed]], resumed: int) -> None:
        """Chained by partition; in the log with the next flush."""
        self._logs.check(self._epoch)
        for partition, packed in messages:
            chain = self._chains[partition]
            self._chains[partition] = chain + 1
            chained = packed._replace(
                epoch=self._epoch, session=f"memory-{self._epoch}", chain=chain, resumed=0 if chain else resumed
            )
            self._sent.append((partition, chained))

    async def flush(self) -> None:
        """Everything sent is in the log."""
        self._logs.check(self._epoch)
        self._logs.raw += self._sent
        self._sent = []

    async def close(self) -> None:
        """What was not flushed is in the log too, as far as its epoch still may write."""
        if self._epoch == self._logs.epoch:
            await self.flush()
        self._logs.closed += 1


class MemoryMarketDataLog:
    """Fulfils `MarketDataLog`."""

    def __init__(self, logs: MemoryLogs, epoch: int) -> None:
        self._logs = logs
        self._epoch = epoch

    async def resume_point(self, venue: str, symbols: Sequence[str], since: int) -> ResumePoint:
        """The newest trade and book step of each instrument, and the trades since then."""
        self._logs.check(self._epoch)
        found = [each for each in self._logs.data.values() if each.venue == venue and each.symbol in symbols]
        trades = [each for each in found if kind_of(each) is TRADE]
        books = {each.symbol: each for each in found if kind_of(each) is ORDERBOOK}
        recent = [each for each in trades if since and each.ts_pub >= since]
        return ResumePoint(since, {each.symbol: each for each in trades}, books, recent)

    async def send(self, messages: Sequence[Message]) -> None:
        """Each once, by the name that its venue's sequence gives it."""
        self._logs.check(self._epoch)
        now = time.time_ns()
        for message in messages:
            message.epoch, message.ts_pub = self._epoch, now
            self._logs.data.setdefault(message_id(message), message)

    async def flush(self) -> None:
        """Everything sent is there already."""

    async def close(self) -> None:
        """Nothing to close: all is in memory."""


class MemoryPositions:
    """Fulfils `SourcePositions`; a save waits while `answers` is not set, as who asks for the last positions does, and
    raises `broken` where that is."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.saved: list[dict[str, int]] = []
        self.asked_within: list[float] = []  # for how long the last ones would have been waited for
        self.last: dict[str, int] | None = None  # those, where what is known at once is older
        self.answers = asyncio.Event()
        self.answers.set()
        self.broken: Exception | None = None
        self.ended: dict[str, tuple[int, dict[str, int]]] = {}  # rows and skipped, by source
        self.refused: dict[str, str] = {}
        self.group = self.error = ""
        self.retry = False

    @property
    def failed(self) -> bool:
        """Whether the source cannot go on."""
        return bool(self.error) and not self.retry

    async def known(self, within_s: float = 0.0) -> dict[str, int]:
        """The stored position of every source, by its name."""
        self.asked_within.append(within_s)
        if within_s:
            await self.answers.wait()
        return dict(self.last if within_s and self.last is not None else self.positions)

    async def save(self, positions: Mapping[str, int]) -> None:
        """Where the sources are."""
        await self.answers.wait()
        if self.broken is not None:
            raise self.broken
        self.saved.append(dict(positions))
        self.positions.update(positions)

    async def finish(self, source: MarketSource, positions: Mapping[str, int], known: Mapping[str, int]) -> None:
        """Every source is at its end: its position and, where it counts them, its rows."""
        counting = counting_source(source)
        counts = counting.rows if counting is not None else {}
        skipped = dict(counting.skipped) if counting is not None else {}
        for number, name in enumerate(sorted({*counts, *positions})):
            self.positions[name] = max(positions.get(name, 0), known.get(name, 0))
            self.ended[name] = (counts.get(name, self.positions[name]), skipped if not number else {})

    async def tell(self, group: str, error: str = "", *, retry: bool = False) -> None:
        """How the source is."""
        self.group, self.error, self.retry = group, error, retry
        if error:
            self.refused = {}

    async def record_refusals(self, group: str, events: Iterable[object]) -> None:
        """Instruments that the source does not subscribe."""
        refused = {event.symbol: event.reason for event in events if isinstance(event, SubscriptionFailed)}
        if refused:
            self.group, self.error, self.retry = group, "", False
            self.refused = {**self.refused, **refused}


class MemoryEventLog:
    """Fulfils `GatewayEventLog`; raises `broken` where that is set."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.instruments: list[InstrumentRecord] = []
        self.epoch = 0  # of whoever published last
        self.broken: Exception | None = None

    @property
    def names(self) -> list[str]:
        """Names of the events, in order."""
        return [type(event).__name__ for event in self.events]

    async def publish_soon(self, events: Iterable[Any], epoch: int = 0) -> None:
        """Append events to `events`. Raises `broken` where a test has set it."""
        if self.broken is not None:
            raise self.broken
        self.events += events
        self.epoch = epoch

    async def publish_instruments(self, instruments: Sequence[InstrumentRecord], epoch: int) -> None:
        """Append reference data to `instruments`."""
        self.instruments += instruments
        self.epoch = epoch


class MemoryObserver:
    """Fulfils `SessionObserver` and `SessionStatus`: counts, and notes what happened in order."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.seen: list[tuple[Any, ...]] = []
        self.took_s: list[float] = []

    def received(self, messages: int, ticks: int) -> None:
        self.counts["messages"] += messages
        self.counts["ticks"] += ticks

    def took(self, seconds: float) -> None:
        self.took_s.append(seconds)

    def refused(self, reason: str, frames: int) -> None:
        self.counts[f"refused {reason}"] += frames

    def resumed(self, resume_point: ResumePoint) -> None:
        self.seen.append(("resumed", resume_point))

    def subscribed(self, added: int, removed: int) -> None:
        self.seen.append(("subscribed", added, removed))

    def events_lost(self, names: Sequence[str], error: Exception) -> None:
        self.seen.append(("events_lost", str(error), *names))

    def retrying(self, error: SourceError, delay_s: float | None) -> None:
        self.seen.append(("retrying", str(error), delay_s))

    async def waiting(self, epoch: int, until: int | None) -> None:
        self.seen.append(("waiting", epoch, until))

    async def wanted(self, epoch: int) -> None:
        self.seen.append(("wanted", epoch))

    async def finished(self, ticks: int) -> None:
        self.seen.append(("finished", ticks))

    async def failed(self, error: SourceError) -> None:
        self.seen.append(("failed", str(error)))


__all__ = [
    "MemoryEventLog",
    "MemoryLogs",
    "MemoryMarketDataLog",
    "MemoryObserver",
    "MemoryPositions",
    "MemoryRawLog",
    "StaleEpoch",
]
