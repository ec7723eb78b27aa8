"""What the session of a gateway with its source writes to: two logs, positions, events, and who looks after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from marketprism_application.contracts.packed import Packed
from marketprism_application.contracts.venue_messages import Message
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import MarketSource, ResumePoint
from marketprism_domain.marketdata.instrument_record import InstrumentRecord


class RawLog(Protocol):
    """The raw log as one leader writes it. A write of a leader of before is refused, by an error of the adapter's."""

    async def send(self, messages: Sequence[tuple[int, Packed]], resumed: int) -> None:
        """(partition, message) in order; `resumed` says since when a live source is there, nanoseconds UTC, 0 for one
        that is read again from its beginning."""
        ...

    async def flush(self) -> None:
        """Wait until everything sent is in the log."""
        ...

    async def close(self) -> None: ...


class MarketDataLog(Protocol):
    """The log of the kinds that venues send beside ticks, written as the raw log is."""

    async def resume_point(self, venue: str, symbols: Sequence[str], since: int) -> ResumePoint:
        """Where whoever wrote before left off; from now on it is refused."""
        ...

    async def send(self, messages: Sequence[Message]) -> None:
        """In order; a message that is there already, by its venue's sequence, is not stored a second time."""
        ...

    async def flush(self) -> None:
        """Wait until everything sent is in the log."""
        ...

    async def close(self) -> None: ...


class SourcePositions(Protocol):
    """How far each source is in the raw log, and how the source of a group of gateways is."""

    @property
    def error(self) -> str:
        """What is wrong with the source, empty when nothing is."""
        ...

    @property
    def failed(self) -> bool:
        """Whether it cannot go on."""
        ...

    async def known(self, within_s: float = 0.0) -> dict[str, int]:
        """The stored position of every source, by its name; as they were saved last, if that can be had `within_s`
        seconds, for which the source has to be told of (`tell`) before."""
        ...

    async def save(self, positions: Mapping[str, int]) -> None:
        """Where the sources are; what is in the log, not what was only sent."""
        ...

    async def finish(self, source: MarketSource, positions: Mapping[str, int], known: Mapping[str, int]) -> None:
        """The sources are at their end, and everything of them is in the log."""
        ...

    async def tell(self, group: str, error: str = "", *, retry: bool = False) -> None:
        """How the source is: well, or what is wrong and, with `retry`, that it is tried again. Never raises because
        nobody takes it now."""
        ...

    async def record_refusals(self, group: str, events: Iterable[object]) -> None:
        """Events of the source: what it says of instruments that it does not subscribe. As `tell`."""
        ...


class GatewayEventLog(Protocol):
    """Where events and reference data go. What cannot be published now is at least in the adapter's log."""

    async def publish_soon(self, events: Iterable[Any], epoch: int = 0) -> None:
        """Send domain events, without waiting for receipts."""
        ...

    async def publish_instruments(self, instruments: Sequence[InstrumentRecord], epoch: int) -> None:
        """Publish reference data, stamped with `epoch`."""
        ...


class SessionObserver(Protocol):
    """Who counts and notes what happens in a session."""

    def received(self, messages: int, ticks: int) -> None:
        """A batch is on its way to the logs."""
        ...

    def took(self, seconds: float) -> None:
        """Ticks of a live source are on their way to the raw log, the first of them so long after its receipt."""
        ...

    def refused(self, reason: str, frames: int) -> None:
        """Frames of the source that nothing could be made of."""
        ...

    def resumed(self, resume_point: ResumePoint) -> None:
        """The source goes on where its last reader left off."""
        ...

    def subscribed(self, added: int, removed: int) -> None:
        """So many subscriptions were added and removed while the source was read."""
        ...

    def events_lost(self, names: Sequence[str], error: Exception) -> None:
        """Events could not be published, which ends no session."""
        ...

    def retrying(self, error: SourceError, delay_s: float | None) -> None:
        """The source is away and is tried again after `delay_s`; None when no attempt is left."""
        ...


class SessionStatus(Protocol):
    """Where a session stands, for those who find the gateway in the registry."""

    async def waiting(self, epoch: int, until: int | None) -> None:
        """The connection is not wanted, by the calendar until `until`, nanoseconds UTC."""
        ...

    async def wanted(self, epoch: int) -> None:
        """The connection is wanted again."""
        ...

    async def finished(self, ticks: int) -> None:
        """The source is at its end; so many ticks were sent."""
        ...

    async def failed(self, error: SourceError) -> None:
        """The source cannot go on."""
        ...


__all__ = ["GatewayEventLog", "MarketDataLog", "RawLog", "SessionObserver", "SessionStatus", "SourcePositions"]
