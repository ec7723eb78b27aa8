"""Whether far more positions are closed by force than in the hour before."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import msgspec
import structlog

from marketprism_adapters.nats import streams
from marketprism_application.contracts.kinds import LIQUIDATION
from marketprism_domain.marketdata.liquidation import Liquidation
from marketprism_sdk.messaging import JobRun
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import job
from marketprism_services.monitor.jobs.venue_stream import (
    Taken,
    begins_at,
    behind,
    between,
    decoded,
    subjects_of,
    venues_of,
)

log = structlog.get_logger()

_MINUTE_NS = 60 * 10**9
_MINUTES = 60  # that a minute is compared with
_KNOWN = 10  # with fewer nothing is unusual yet
_MOST = 5_000  # liquidations of a minute that are added up
_SMALLEST_DEVIATION = 1.0  # a quiet hour deviates by nothing, and the first liquidation after it is no burst


class LiquidationCheck(msgspec.Struct, frozen=True):
    """A burst is a minute whose number is `burst_z` deviations above the mean, and at least `least`."""

    burst_z: Annotated[float, msgspec.Meta(gt=0)] = 6.0
    least: Annotated[int, msgspec.Meta(ge=1)] = 5


class VenueMinute(msgspec.Struct, frozen=True):
    """Liquidations of one minute at a venue: how many, what they were worth as price times quantity, and by how many
    deviations that is more than in the minutes before; None where too few of those are known."""

    venue: str
    number: int
    total: str
    z: float | None


class LiquidationOutput(msgspec.Struct, frozen=True):
    """The minute that ends at `until`, nanoseconds UTC; the venues among `venues` that have a burst are in `bursts`."""

    until: int
    venues: list[VenueMinute]
    bursts: list[VenueMinute]


def z_score(number: int, before: Sequence[int]) -> float | None:
    """By how many deviations a number is above the mean of those before; None with fewer than ten of them."""
    if len(before) < _KNOWN:
        return None
    deviation = max(statistics.pstdev(before), _SMALLEST_DEVIATION)
    return (number - statistics.fmean(before)) / deviation


def is_burst(minute: VenueMinute, check: LiquidationCheck) -> bool:
    """Whether a minute has enough liquidations, and far more than those before."""
    return minute.z is not None and minute.z >= check.burst_z and minute.number >= check.least


def per_minute(counts: Sequence[int]) -> list[int]:
    """Numbers of minutes from what the beginning of each, and the end of the last, has behind it."""
    return [max(0, begin - end) for begin, end in itertools.pairwise(counts)]


class LiquidationJob:
    """Counts what the stream has; that a venue's liquidations flow at all is for its gateway to say."""

    def __init__(self, connection: NatsConnection, minute_ns: int = _MINUTE_NS) -> None:
        self._connection = connection
        self._minute_ns = minute_ns

    @job("check_liquidations")
    async def check_liquidations(self, check: LiquidationCheck, run: JobRun) -> LiquidationOutput:
        """Compare the liquidations of the minute before the run with those of the hour before, at each venue.

        A burst is a fact of the market and no failure: it is in the output and in the log.
        """
        until = run.due - run.due % self._minute_ns
        venues = [await self._minute(venue, until) for venue in await venues_of(self._connection)]
        bursts = [minute for minute in venues if is_burst(minute, check)]
        for minute in bursts:
            log.warning(
                "liquidations.burst", venue=minute.venue, number=minute.number, total=minute.total, z=minute.z, at=until
            )
        return LiquidationOutput(until, venues, bursts)

    async def _minute(self, venue: str, until: int) -> VenueMinute:
        subject = subjects_of(LIQUIDATION, venue)
        begin = until - self._minute_ns
        held = await between(self._connection, streams.DATA, subject, begin, until, _MOST)
        records, _ = await decoded(LIQUIDATION, Liquidation, Taken({str(each.seq): each for each in held}))
        total = sum((each.price * each.quantity for each in records.values()), Decimal(0))
        # Before the venue's first message nobody listened: those minutes say nothing of how many there are.
        since = await begins_at(self._connection, streams.DATA, f"market.{venue}.>")
        known = 0 if since is None else min(_MINUTES, max(0, (begin - since) // self._minute_ns))
        times = [begin - minutes * self._minute_ns for minutes in range(known, -1, -1)] + [until]
        *before, number = per_minute(await behind(self._connection, streams.DATA, subject, times))
        number = number if len(held) >= _MOST else len(held)
        z = z_score(number, before)
        return VenueMinute(venue, number, f"{total:f}", None if z is None else round(z, 2))


__all__ = [
    "LiquidationCheck",
    "LiquidationJob",
    "LiquidationOutput",
    "VenueMinute",
    "is_burst",
    "per_minute",
    "z_score",
]
