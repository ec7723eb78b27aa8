"""Whether the open interest of every instrument goes on coming."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.contracts.kinds import INSTRUMENT, OPEN_INTEREST, TICKER
from marketprism_application.contracts.subjects import subject_of
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.open_interest import OpenInterest
from marketprism_domain.marketdata.ticker import Ticker
from marketprism_sdk.errors import JobFailed
from marketprism_sdk.messaging import JobRun
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import job
from marketprism_services.monitor.jobs.findings import by_venue, first_of
from marketprism_services.monitor.jobs.venue_stream import DAY_NS, decoded, newest_before, subjects_of

_SECOND_NS = 10**9
_TRADING = ("", "trading")


class OpenInterestCheck(msgspec.Struct, frozen=True):
    """`oldest_s` is how old the newest open interest of an instrument may be, in seconds."""

    oldest_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 1_800


class OpenInterestOutput(msgspec.Struct, frozen=True):
    """How many instruments were looked at, how many of them are over; those that are stale by venue, at most 200, and
    the age of the oldest, in seconds."""

    instruments: int
    over: int = 0
    stale_total: int = 0
    stale: dict[str, list[str]] = {}
    oldest_s: float = 0.0
    unreadable: int = 0


def age_s(ts: int, now: int) -> float:
    """Seconds from an instant until now, 0 for one that is to come."""
    return max(0, now - ts) / _SECOND_NS


def known_at(interest: OpenInterest, ticker: Ticker | None) -> int:
    """When open interest was last said: a venue that sends it where it changes says it in each ticker as well."""
    if ticker is None or ticker.open_interest is None:
        return interest.ts_event
    return max(interest.ts_event, ticker.ts_event)


def is_over(terms: InstrumentRecord | None, now: int) -> bool:
    """Whether an instrument trades no more: on its last day open interest ends, at an hour that is the venue's."""
    if terms is None:
        return False
    today = f"{datetime.fromtimestamp(now // _SECOND_NS, UTC):%Y%m%d}"
    return terms.status not in _TRADING or bool(terms.expire_day and terms.expire_day <= today)


class OpenInterestJob:
    """Reads the newest open interest of each instrument from the stream, and where it is old what else says it."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    @job("check_open_interest")
    async def check_open_interest(self, check: OpenInterestCheck, run: JobRun) -> OpenInterestOutput:
        """Find the instruments whose open interest of the last day has not been renewed for too long."""
        taken = await newest_before(self._connection, streams.DATA, [subjects_of(OPEN_INTEREST)], run.due)
        newest, unreadable = await decoded(OPEN_INTEREST, OpenInterest, taken.since(run.due - DAY_NS))
        old = [each for each in newest.values() if age_s(each.ts_event, run.due) > check.oldest_s]
        tickers, more = await self._tickers(old, run.due)
        terms, others = await self._terms(old, run.due)
        ages: dict[tuple[str, str], float] = {}
        over = 0
        for each in old:
            if is_over(terms.get(subject_of(INSTRUMENT, each)), run.due):
                over += 1
                continue
            age = age_s(known_at(each, tickers.get(subject_of(TICKER, each))), run.due)
            if age > check.oldest_s:
                ages[each.venue, each.symbol] = age
        output = OpenInterestOutput(
            len(newest), over, len(ages), by_venue(list(ages)), max(ages.values(), default=0.0), unreadable
        )
        return _ended(msgspec.structs.replace(output, unreadable=unreadable + more + others), ages, check)

    async def _tickers(self, old: list[OpenInterest], now: int) -> tuple[dict[str, Ticker], int]:
        subjects = [subject_of(TICKER, each) for each in old]
        return await decoded(TICKER, Ticker, await newest_before(self._connection, streams.DATA, subjects, now))

    async def _terms(self, old: list[OpenInterest], now: int) -> tuple[dict[str, InstrumentRecord], int]:
        subjects = [subject_of(INSTRUMENT, each) for each in old]
        taken = await newest_before(self._connection, streams.EVENTS, subjects, now)
        return await decoded(INSTRUMENT, InstrumentRecord, taken)


def _ended(
    output: OpenInterestOutput, ages: Mapping[tuple[str, str], float], check: OpenInterestCheck
) -> OpenInterestOutput:
    if not ages:
        return output
    names = [f"{venue}.{symbol} ({age:.0f} s)" for (venue, symbol), age in sorted(ages.items())]
    raise JobFailed(
        f"open interest of {len(names)} of {output.instruments} instruments is older than {check.oldest_s} s: "
        f"{first_of(names)}",
        output,
    )


__all__ = ["OpenInterestCheck", "OpenInterestJob", "OpenInterestOutput", "age_s", "is_over", "known_at"]
