"""Trials of validation rules: the last hour of the raw log, judged in a process of its own, one trial at a time."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

import msgspec
import structlog

from marketprism_adapters.nats.raw_window import RawWindow, begin_of, find_window, messages_of
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.rules_records import MOST_MINUTES, RulesTrialRequest
from marketprism_application.validation.rules_trial import RulesTrial
from marketprism_domain.errors import InvalidValue
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import DeadlineExceeded, RemoteError, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import die_with_parent
from marketprism_services.monitor.trial_worker import (
    LENGTH,
    Frame,
    TrialEnd,
    TrialMessages,
    TrialPartition,
    TrialRules,
)
from marketprism_services.settings.variables import without_settings

log = structlog.get_logger()

MOST_TICKS = 150_000
DEADLINE_S = 20.0
_MODULE = "marketprism_services.monitor.trial_worker"
_AFTER_S = 10.0  # to begin, and to decide what was handed over by then
_END_S = 5.0
_SHOWN = 300

Result = dict[str, object]


class RulesTrials:
    """`most_ticks` of the newest are judged at most, for `deadline_s` at most; the answer says where that was less than
    what was asked for."""

    def __init__(
        self,
        connection: NatsConnection,
        calendar: Callable[[], MarketCalendar],
        metrics: Metrics,
        *,
        most_ticks: int = MOST_TICKS,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._connection = connection
        self._calendar = calendar
        self._metrics = metrics
        self._most_ticks = most_ticks
        self._deadline_s = deadline_s
        self._running: tuple[str, float] | None = None  # who asked, and since when it runs

    async def run(self, asked: RulesTrialRequest) -> Result:
        """What both sets of rules decide of the last minutes.

        Raises:
            RemoteError: TOO_MANY_REQUESTS, another trial runs; INVALID_PARAMETER; UNAVAILABLE, the process ended.
            DeadlineExceeded, NotConnected: NATS does not answer.
        """
        if not 0 < asked.minutes <= MOST_MINUTES:
            text = f"minutes: expected more than 0 and at most {MOST_MINUTES:g}, was {asked.minutes:g}"
            raise RemoteError(Code.INVALID_PARAMETER, text, {"field": "minutes"})
        try:
            now, new = (ValidationRules.from_dict(each) for each in (asked.now, asked.new))
        except (InvalidValue, TypeError) as error:
            raise RemoteError(Code.INVALID_PARAMETER, str(error), {"field": "rules"}) from error
        if self._running is not None:
            who, since = self._running
            running_s = time.monotonic() - since
            text = f"trial: expected none to run, one of {who or 'somebody'} does for {running_s:.0f} s"
            raise RemoteError(Code.TOO_MANY_REQUESTS, text, retryable=True)
        self._running = asked.who[:80], time.monotonic()
        status = "failed"
        try:
            async with asyncio.timeout(self._deadline_s + _AFTER_S):
                found = await self._run(asked, now, new)
            status = "done"
        except TimeoutError as error:
            raise DeadlineExceeded(f"trial: no end within {self._deadline_s + _AFTER_S:g} s") from error
        finally:
            (_, since), self._running = self._running, None
            self._metrics.count("rules_trials_total", status=status)
            log.info("rules_trial.ended", status=status, who=asked.who[:80], seconds=time.monotonic() - since)
        return found

    async def _run(self, asked: RulesTrialRequest, now: ValidationRules, new: ValidationRules) -> Result:
        started = time.monotonic()
        window = await find_window(self._connection, asked.minutes, self._most_ticks)
        found: Result = {"minutes_asked": asked.minutes, "now_version": now.version}
        if window is None or not window.messages:
            return {**found, **_EMPTY_WINDOW, **RulesTrial(self._calendar(), now, new).result()}
        process = await self._start()
        left_out: list[int] = []
        try:
            await _send(process, TrialRules(pickle.dumps(self._calendar()), now.to_dict(), new.to_dict()))
            for number, partition in enumerate(window.partitions):
                if not await self._feed(process, window, number, started + self._deadline_s):
                    left_out = [each.partition for each in window.partitions[number:]]
                    log.warning("rules_trial.cut", partition=partition.partition, left_out=len(left_out))
                    break
            result = await self._result(process)
        finally:
            await _end(process)
        return {
            **found,
            "minutes": round(window.minutes, 3),
            "window_from": window.ts_from,
            "window_to": window.ts_to,
            "is_cut": window.minutes < asked.minutes or bool(left_out),
            "left_out_partitions": left_out,
            "seconds": round(time.monotonic() - started, 3),
            **result,
        }

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=without_settings(os.environ),
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )

    async def _feed(self, process: Process, window: RawWindow, number: int, end_s: float) -> bool:
        """Hand a partition over; False where its time was up before its end."""
        of = window.partitions[number]
        begin = await begin_of(self._connection, window, of)
        await _send(process, TrialPartition(of.partition, begin.state, begin.is_cut))
        async for messages in messages_of(self._connection, of.partition, begin.seq, window.last):
            if time.monotonic() > end_s:
                return False
            await _send(process, TrialMessages(of.first, messages))
        return True

    async def _result(self, process: Process) -> Result:
        await _send(process, TrialEnd())
        output, errors = await process.communicate()
        if process.returncode:
            raise _ended(process.returncode, errors)
        return msgspec.msgpack.decode(output, type=dict[str, object])


_EMPTY_WINDOW: Result = {
    "minutes": 0.0,
    "window_from": None,
    "window_to": None,
    "is_cut": False,
    "left_out_partitions": [],
    "seconds": 0.0,
}


async def _send(process: Process, frame: Frame) -> None:
    """Raises RemoteError: the process has ended."""
    assert process.stdin is not None  # noqa: S101 (it was started with one)
    data = msgspec.msgpack.encode(frame)
    try:
        process.stdin.write(LENGTH.pack(len(data)) + data)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError) as error:
        errors = await process.stderr.read() if process.stderr is not None else b""
        raise _ended(await process.wait(), errors) from error


def _ended(code: int, errors: bytes) -> SdkError:
    lines = errors.decode("utf-8", "replace").strip().splitlines() or [""]
    text = f"trial: expected its process to answer, it ended with {code}: {lines[-1][:_SHOWN]}"
    return RemoteError(Code.UNAVAILABLE, text, retryable=True)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        async with asyncio.timeout(_END_S):
            await process.wait()


__all__ = ["DEADLINE_S", "MOST_TICKS", "RulesTrials"]
