"""Whether what everything else stands on is of today: the trading calendar, and the instruments of each gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from marketprism_adapters.calendars import shortage_of
from marketprism_application.contracts.instrument_list import INSTRUMENT_LIST, InstrumentList
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import TradingDays, china_date
from marketprism_sdk.errors import JobFailed, SdkError, reason_of
from marketprism_sdk.messaging import InstanceRecord, JobRun, RpcClient
from marketprism_sdk.service import job
from marketprism_services.monitor.jobs.findings import MOST_FINDINGS, Finding, first_of

_READER = "gateway"  # who has a list of instruments
_ANSWER_S = 5.0
_DAY_S = 86_400


class CalendarCheck(msgspec.Struct, frozen=True):
    """Closed days have to be announced for at least `least_days` days from the day of the run on."""

    least_days: Annotated[int, msgspec.Meta(ge=0, le=366)] = 10


class CalendarOutput(msgspec.Struct, frozen=True):
    """Up to which day closed days are announced, and how many days that is; None for a calendar without an end."""

    known_to: str | None
    days: int | None


class InstrumentCheck(msgspec.Struct, frozen=True):
    """`oldest_s` is how long ago a gateway may have read its list of instruments, in seconds."""

    oldest_s: Annotated[int, msgspec.Meta(ge=1)] = _DAY_S


class InstrumentOutput(msgspec.Struct, frozen=True):
    """How many gateways were asked, how many of them age nothing (a recording, or logged out), and which are wrong."""

    gateways: int
    not_asked: int
    problems: list[Finding]


def days_ahead(days: TradingDays, due: int) -> int | None:
    """For how many days from an instant on closed days are announced; None for a calendar without an end."""
    return None if days.known_to is None else max(0, (days.known_to - china_date(due)).days)


def list_problem(found: InstrumentList, oldest_s: float, now_s: float) -> str:
    """What is wrong with the list of a gateway; empty where nothing is."""
    if not found.live:
        return ""
    if not found.read_at:
        return "has not read its list of instruments yet"
    age_s = now_s - found.read_at
    return f"its list of instruments is {age_s:.0f} s old" if age_s > oldest_s else ""


class ReferenceJobs:
    """`calendar` makes the calendar anew, as it is installed now; `instances` are those in the registry."""

    def __init__(
        self,
        calls: RpcClient,
        instances: Callable[[], Sequence[InstanceRecord]],
        calendar: Callable[[], MarketCalendar],
    ) -> None:
        self._calls = calls
        self._instances = instances
        self._calendar = calendar

    @job("check_calendar")
    async def check_calendar(self, check: CalendarCheck, run: JobRun) -> CalendarOutput:
        """See that the closed days of the exchanges are announced for long enough."""
        days = (await asyncio.to_thread(self._calendar)).days
        left = days_ahead(days, run.due)
        output = CalendarOutput(None if days.known_to is None else str(days.known_to), left)
        if left is not None and left < check.least_days:
            text = shortage_of(days, china_date(run.due)) or f"closed days are announced up to {days.known_to}"
            raise JobFailed(f"{text}; expected {check.least_days} days", output)
        return output

    @job("check_instruments")
    async def check_instruments(self, check: InstrumentCheck) -> InstrumentOutput:
        """See that every gateway that leads has read its list of instruments within a day.

        Nothing is read again: the source of a venue does so by itself every hour, and one that logs in for a trading
        day with each login. What this finds is one that has stopped to.
        """
        leading = [each for each in self._instances() if each.service == _READER and each.status == "active"]
        asked = [each for each in leading if each.metadata.get("connection") != "waiting"]
        answers = await asyncio.gather(*(self._problem(each, check.oldest_s) for each in asked))
        problems = [
            Finding("instruments", f"{each.service}.{each.group}", text)
            for each, text in zip(asked, answers, strict=True)
            if text
        ]
        output = InstrumentOutput(len(asked), len(leading) - len(asked), problems[:MOST_FINDINGS])
        if problems:
            names = [f"{each.where}: {each.text}" for each in problems]
            raise JobFailed(f"instruments of {len(problems)} of {len(asked)} gateways: {first_of(names)}", output)
        return output

    async def _problem(self, gateway: InstanceRecord, oldest_s: float) -> str:
        try:
            answer = await self._calls.call(
                gateway.service, INSTRUMENT_LIST, instance=gateway.instance, timeout_s=_ANSWER_S, idempotent=True
            )
            found = msgspec.convert(answer, InstrumentList)
        except (SdkError, msgspec.ValidationError) as error:
            return f"does not say when it read its list of instruments: {reason_of(error)}"
        return list_problem(found, oldest_s, time.time())


__all__ = [
    "CalendarCheck",
    "CalendarOutput",
    "InstrumentCheck",
    "InstrumentOutput",
    "ReferenceJobs",
    "days_ahead",
    "list_problem",
]
