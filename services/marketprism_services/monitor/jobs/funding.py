"""Whether every perpetual has a funding rate for each instant at which funding was exchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.contracts.kinds import FUNDING_RATE
from marketprism_domain.marketdata.funding_rate import FundingRate
from marketprism_sdk.errors import CommandRejected, JobFailed
from marketprism_sdk.messaging import JobRun
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import job
from marketprism_services.monitor.jobs.findings import by_venue, first_of
from marketprism_services.monitor.jobs.venue_stream import (
    DAY_NS,
    begins_at,
    decoded,
    newest_before,
    subjects_of,
)

_SECOND_NS = 10**9
_USUAL_S = 8 * 3600  # between two exchanges where the venue does not say it
_SHORTEST_S = 900  # what is told to be shorter is no interval of any venue, and would be asked for without end


class FundingCheck(msgspec.Struct, frozen=True):
    """Instants of the last `period_s` seconds before the run are looked at."""

    period_s: Annotated[int, msgspec.Meta(ge=3600, le=86_400)] = _USUAL_S


class FundingOutput(msgspec.Struct, frozen=True):
    """How many instruments and instants were looked at; symbols without a rate by venue, at most 200 of them."""

    instruments: int
    slots: int
    missing_total: int = 0
    missing: dict[str, list[str]] = {}
    unreadable: int = 0


class Slot(StrEnum):
    """What the newest rate from before an instant says of it."""

    KNOWN = "known"
    MISSING = "missing"
    NONE = "none"  # nothing is exchanged then


def interval_of(rate: FundingRate) -> int:
    """Seconds between two exchanges, the usual ones where the venue says none that can be."""
    return rate.interval_s if rate.interval_s is not None and rate.interval_s >= _SHORTEST_S else _USUAL_S


def slots_of(until: int, period_s: int, interval_s: int) -> list[int]:
    """Instants of exchange in (until - period, until], whole multiples of the interval from midnight UTC on."""
    step = interval_s * _SECOND_NS
    last = until - until % step
    return list(range(last, until - period_s * _SECOND_NS, -step))[::-1]


def judged(slot: int, before: FundingRate, after: FundingRate, interval_s: int) -> Slot:
    """Of an instant, by the newest rate from before it and the newest of all.

    A rate that names the instant is the one that was exchanged. One that names a later instant says that nothing was
    exchanged at this one, one that names an earlier instant that nothing has come since. A rate that names none is of
    funding that is paid all the time, and has to be younger than an interval.
    """
    if before.ts_funding == slot or (after.settled and after.ts_funding == slot):
        return Slot.KNOWN
    if before.ts_funding is None:
        return Slot.KNOWN if before.ts_event >= slot - interval_s * _SECOND_NS else Slot.MISSING
    return Slot.NONE if before.ts_funding > slot else Slot.MISSING


class FundingJob:
    """Reads the newest rate of each instrument before each instant, from the stream."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    @job("check_funding")
    async def check_funding(self, check: FundingCheck, run: JobRun) -> FundingOutput:
        """Find the perpetuals of the last day for which a rate of funding is missing.

        A run whose instants lie before what the stream still holds is refused: nobody can say any more.
        """
        subject = subjects_of(FUNDING_RATE)
        taken = await newest_before(self._connection, streams.DATA, [subject], run.due)
        newest, unreadable = await decoded(FUNDING_RATE, FundingRate, taken.since(run.due - DAY_NS))
        slots = _wanted(newest, run.due, check.period_s)
        begin = await begins_at(self._connection, streams.DATA, "market.>")
        if not newest and begin is not None and begin > run.due:
            raise CommandRejected(
                f"funding: expected an instant that {streams.DATA} still holds rates of, was one from before"
            )
        missing: list[tuple[str, str]] = []
        looked_at = 0
        for slot, subjects in sorted(slots.items()):
            taken = await newest_before(self._connection, streams.DATA, subjects, slot)
            before, more = await decoded(FUNDING_RATE, FundingRate, taken)
            unreadable += more
            for name, rate in before.items():  # what has none from before began later, or is older than the stream
                interval_s = interval_of(newest[name])
                found = judged(slot, rate, newest[name], interval_s)
                looked_at += found != Slot.NONE
                if found == Slot.MISSING:
                    missing.append((rate.venue, rate.symbol))
        return _ended(FundingOutput(len(newest), looked_at, len(missing), by_venue(missing), unreadable), missing)


def _wanted(newest: Mapping[str, FundingRate], until: int, period_s: int) -> dict[int, list[str]]:
    """Subjects by the instants at which their instruments exchange funding."""
    found: dict[int, list[str]] = {}
    for subject, rate in newest.items():
        for slot in slots_of(until, period_s, interval_of(rate)):
            found.setdefault(slot, []).append(subject)
    return found


def _ended(output: FundingOutput, missing: Iterable[tuple[str, str]]) -> FundingOutput:
    names = sorted({f"{venue}.{symbol}" for venue, symbol in missing})
    if names:
        raise JobFailed(
            f"{len(names)} of {output.instruments} perpetuals lack a rate of funding: {first_of(names)}", output
        )
    return output


__all__ = ["FundingCheck", "FundingJob", "FundingOutput", "Slot", "interval_of", "judged", "slots_of"]
