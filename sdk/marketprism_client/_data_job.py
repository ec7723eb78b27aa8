"""A job of the data service: where it is, and how one waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from marketprism_application.contracts.data_jobs import JobShown, JobStage
from marketprism_application.contracts.failures import Code
from marketprism_client._failures import QueryFailed, query_failures
from marketprism_client._session import Session
from marketprism_sdk.errors import SdkError

_FIRST_S, _LONGEST_S, _GROWS = 0.2, 2.0, 1.3  # between two looks: what ends soon is seen soon, what lasts asks seldom
_AWAY_S = 60.0  # a service that is started again is back by then
T = TypeVar("T")


class DataJobFailed(QueryFailed):
    """A job that has not done what it was to do; `job` is how it ended."""

    def __init__(self, job: JobShown) -> None:
        wrong = [f"{each.venue}.{each.symbol}: {each.error}" for each in job.series if each.error]
        why = job.error or "; ".join(wrong[:3]) or "no reason is given"
        super().__init__(Code.COMMAND_REFUSED, f"job {job.id}: expected it to be done, was {job.stage.value}: {why}")
        self.job = job


class Requests:
    """Requests to the data service."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def asked(self, method: str, fields: dict[str, object], kind: type[T], *, changes: bool = False) -> T:
        """The answer of a method; fields that are None are not sent. Raises as `Data` does."""
        session = self.session
        body = {name: value for name, value in fields.items() if value is not None}
        with query_failures():
            found = await session.line.call("data", method, body, timeout_s=session.timeout_s, idempotent=not changes)
        try:
            return msgspec.convert(found, kind, strict=False)
        except msgspec.ValidationError as error:
            raise QueryFailed(Code.MALFORMED_REPLY, f"data.{method}: {error}") from error


def _is_passing(error: SdkError | QueryFailed) -> bool:
    if isinstance(error, SdkError):
        return error.retryable
    return error.consequence.passing or error.code == Code.TOO_MANY_REQUESTS


class DataJob:
    """A job: `shown` is where it was when it was last asked for; `async for state in job.progress()` follows it, and
    `await job.wait()` waits for its end. It goes on whether anybody waits or not.

    Raises as `Data` does.
    """

    def __init__(self, requests: Requests, shown: JobShown) -> None:
        self._requests = requests
        self.shown: JobShown = shown

    def __repr__(self) -> str:
        shown = self.shown
        return f"DataJob({shown.id!r}, {shown.action}, {shown.stage.value}, {shown.parts_done}/{shown.parts} parts)"

    @property
    def id(self) -> str:
        """The job's name, by which `market.data.job(id)` finds it again."""
        return self.shown.id

    @property
    def stage(self) -> JobStage:
        """Where it was when it was last asked for."""
        return self.shown.stage

    async def refresh(self) -> JobShown:
        """Where it is now, with its series."""
        self.shown = await self._requests.asked("job", {"id": self.id}, JobShown)
        return self.shown

    async def progress(self, *, every_s: float | None = None) -> AsyncIterator[JobShown]:
        """Where it is, whenever that has changed; the last one is how it ended. Looked at every `every_s` seconds,
        without one ever more seldom, down to every two. A service that is away is waited for a minute."""
        seen: JobShown | None = None
        pause_s = every_s or _FIRST_S
        while True:
            state = await self._patiently(pause_s)
            if state != seen:
                seen = state
                yield state
            if state.stage.is_final:
                return
            await asyncio.sleep(pause_s)
            pause_s = every_s or min(_LONGEST_S, _GROWS * pause_s)

    async def _patiently(self, pause_s: float) -> JobShown:
        until = time.monotonic() + _AWAY_S
        while True:
            try:
                return await self.refresh()
            except (SdkError, QueryFailed) as error:
                if not _is_passing(error) or time.monotonic() >= until:
                    raise
            await asyncio.sleep(pause_s)

    async def wait(self, *, timeout_s: float | None = None) -> JobShown:
        """How it ended, with its series; without an end of the waiting where `timeout_s` is None.

        Raises:
            DataJobFailed: it failed or was cancelled. TimeoutError: it still runs.
        """
        async with asyncio.timeout(timeout_s):
            async for state in self.progress():
                if state.stage.is_final and state.stage is not JobStage.DONE:
                    raise DataJobFailed(state)
        return self.shown

    async def cancel(self) -> JobShown:
        """End it; what it has done stays."""
        self.shown = await self._requests.asked("cancel", {"id": self.id}, JobShown, changes=True)
        return self.shown


__all__ = ["DataJob", "DataJobFailed", "Requests"]
