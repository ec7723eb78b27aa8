"""The side of a service that does runs of jobs: claims them, does them beside one another, keeps what came out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from marketprism_sdk.errors import CommandRejected, JobFailed, SdkError, StreamError, reason_of
from marketprism_sdk.messaging._command_queues import checked_token
from marketprism_sdk.messaging._job_runs import JOBS, MOST_OUTPUT_BYTES, ClaimStatus, JobClaim, JobClaims, JobRun
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api
from marketprism_sdk.observability.logger import get_logger

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from marketprism_sdk.observability import Metrics

log = get_logger(__name__)

JobHandler = Callable[[JobRun], Awaitable[object]]
_ACK_WAIT_S = 10.0  # a run is taken off the queue once it is claimed, not once it is done
_EXPIRES_S = 5.0
_LOOK_S = 2.0  # a claim that was given up is seen by a watch, and by looking where that missed it
_PAUSE_S = 0.5
_STANDBY_S = 0.2  # between looks of an instance that may begin nothing
_AT_END_S = 1.0  # for the results of runs that a stop has cut off
_DEAF_S = 10.0  # a handler that goes on so long after it was cancelled is left to itself
_REMEMBERED = 10_000


class JobRunner:
    """Does the runs of one service: `parallel` at once here. A handler that raises CommandRejected has refused the run,
    any other error is a failure; what it returns is kept as the run's output, as far as it is MessagePack. Runs stay on
    the queue while `may_begin` is false."""

    def __init__(
        self,
        connection: NatsConnection,
        service: str,
        instance: str,
        metrics: Metrics,
        *,
        claims: JobClaims,
        parallel: int = 4,
        deaf_s: float = _DEAF_S,
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        self._deaf_s = deaf_s
        self._connection = connection
        self._may_begin = may_begin
        self._cut_off: dict[str, str] = {}
        self._service = checked_token("service", service)
        self._instance = instance
        self._metrics = metrics
        self._claims = claims
        self._room = asyncio.Semaphore(parallel)
        self._handlers: dict[str, JobHandler] = {}
        self._doing: dict[str, asyncio.Task[object]] = {}
        self._given_up: set[str] = set()
        self._begun: OrderedDict[str, None] = OrderedDict()  # attempts, so that none is begun here again
        self._deaf: set[asyncio.Task[object]] = set()

    @property
    def doing(self) -> int:
        """Runs that are being done here."""
        return len(self._doing)

    def add(self, name: str, handler: JobHandler) -> None:
        """Do runs of this name with `handler`."""
        self._handlers[name] = handler

    @property
    def _consumer(self) -> str:
        return f"jobs-{self._service}"

    async def open(self) -> None:
        """Make the consumer that all instances share. Raises StreamError, NotConnected."""
        subject = f"job.{self._service}.*"
        config = {
            "durable_name": self._consumer,
            "name": self._consumer,
            "ack_policy": "explicit",
            "ack_wait": int(_ACK_WAIT_S * 1e9),
            "filter_subject": subject,
            "max_ack_pending": 1_000,
        }
        body = {"stream_name": JOBS, "config": config}
        await api(self._connection, f"CONSUMER.CREATE.{JOBS}.{self._consumer}.{subject}", body)

    async def run(self) -> None:
        """Take runs until cancelled; those that are being done are cut off then, and fail."""
        stop = await self._claims.watch(self._see)
        runs: set[asyncio.Task[None]] = set()
        try:
            while True:
                if not self._may_begin():
                    await asyncio.sleep(_STANDBY_S)
                    continue
                await self._room.acquire()
                if (message := await self._next()) is None:
                    self._room.release()
                    continue
                task = asyncio.create_task(self._take(message))
                runs.add(task)
                task.add_done_callback(runs.discard)
                task.add_done_callback(lambda _: self._room.release())
        finally:
            for task in runs:
                task.cancel()
            if runs:
                await asyncio.wait(runs, timeout=2 * _AT_END_S)
            await stop()

    def cut_off(self, reason: str) -> None:
        """Cancel what is being done here; each of these runs fails with the reason."""
        for key, task in self._doing.items():
            self._cut_off[key] = reason
            task.cancel()

    def _see(self, key: str, claim: JobClaim) -> None:
        """Somebody has written a claim; who does a run that was given up stops."""
        task = self._doing.get(key)
        if task is not None and claim.is_final and key not in self._given_up:
            self._given_up.add(key)
            log.warning("job.run_given_up", key=key, status=claim.status.value, reason=claim.reason)
            task.cancel()

    async def _next(self) -> Msg | None:
        """One message of the queue, None where none came."""
        try:
            return await self._ask()
        except SdkError as error:
            log.warning("jobs.not_readable", service=self._service, error=reason_of(error))
            await asyncio.sleep(_PAUSE_S)
            try:
                await self.open()
            except SdkError as again:
                log.debug("jobs.consumer_not_made", service=self._service, error=reason_of(again))
            return None

    async def _ask(self) -> Msg | None:
        arrived: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        inbox = self._connection.inbox()
        stop = await self._connection.subscribe(inbox, lambda m: None if arrived.done() else arrived.set_result(m))
        try:
            body = json.dumps({"batch": 1, "expires": int(_EXPIRES_S * 1e9)}).encode()
            await self._connection.publish(f"$JS.API.CONSUMER.MSG.NEXT.{JOBS}.{self._consumer}", body, None, inbox)
            async with asyncio.timeout(_EXPIRES_S + 1):
                message = await arrived
        except TimeoutError:
            return None
        finally:
            await stop()
        if message.reply.startswith("$JS.ACK."):
            return message
        if (message.headers or {}).get("Status") == "503":
            raise StreamError("the consumer of runs is gone", retryable=True)
        return None

    async def _take(self, message: Msg) -> None:
        """Claim the run of a message and do it. Whatever comes of it, nothing else ends with it."""
        try:
            run = msgspec.msgpack.decode(message.data, type=JobRun)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._metrics.count("job_runs_unreadable_total")
            log.warning("job.run_unreadable", subject=message.subject, error=reason_of(error))
            await self._answer(message, b"+TERM")
            return
        if run.key in self._begun:
            await self._answer(message, b"+ACK")
            return
        if not self._may_begin():  # it came while that ended: another instance takes it
            await self._answer(message, b"-NAK")
            return
        try:
            claimed = await self._claims.begin(run.key, self._instance)
        except SdkError as error:  # it comes again
            log.warning("job.run_not_claimed", key=run.key, error=reason_of(error))
            await self._answer(message, b'-NAK {"delay": 1000000000}')
            return
        if claimed is not None:
            self._begun[run.key] = None
            if len(self._begun) > _REMEMBERED:
                self._begun.popitem(last=False)
        await self._answer(message, b"+ACK")
        if claimed is not None:
            await self._do(run, *claimed)

    async def _answer(self, message: Msg, verdict: bytes) -> None:
        """Say what becomes of a run on the queue. Where that cannot be sent it comes again, and its claim is found."""
        try:
            await self._connection.publish(message.reply, verdict)
        except SdkError as error:
            log.debug("job.run_not_acknowledged", subject=message.subject, error=reason_of(error))

    async def _do(self, run: JobRun, revision: int, claim: JobClaim) -> None:
        started = time.perf_counter()
        log.info("job.run_begun", job=run.job, key=run.key, handler=run.handler)
        doing = self._doing[run.key] = asyncio.create_task(self._handled(run))
        looking = asyncio.create_task(self._look(run.key))
        known = run.handler if run.handler in self._handlers else "unknown"
        try:
            if not await self._waited_for(run.key, doing):
                self._metrics.count("job_handlers_deaf_total", handler=known)
                log.error("job.handler_deaf", job=run.job, key=run.key, handler=run.handler, after_s=self._deaf_s)
                return
            self._metrics.observe("job_seconds", time.perf_counter() - started, handler=known)
            ended = self._ended(doing, claim, self._cut_off.pop(run.key, "it was cancelled where it ran"))
            if run.key in self._given_up:
                self._metrics.count("job_results_refused_total")
                return
            self._metrics.count("job_runs_done_total", handler=known, result=ended.status.value)
            await self._keep(run, revision, ended)
        except asyncio.CancelledError:  # this service stops
            if not doing.done():
                doing.cancel()
                await asyncio.wait({doing}, timeout=_AT_END_S / 2)
            cut = not doing.done() or doing.cancelled()
            stopped = _with(claim, ClaimStatus.FAILED, "the service that did it was stopped")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AT_END_S):
                    await self._keep(run, revision, stopped if cut else self._ended(doing, claim, ""))
            raise
        finally:
            looking.cancel()
            self._doing.pop(run.key, None)
            self._given_up.discard(run.key)
            self._cut_off.pop(run.key, None)

    async def _waited_for(self, key: str, doing: asyncio.Task[object]) -> bool:
        """Whether a handler has ended: one that was given up has a while for that, and no place here after it."""
        while not doing.done():
            await asyncio.wait({doing}, timeout=_LOOK_S)
            if key in self._given_up:
                await asyncio.wait({doing}, timeout=self._deaf_s)
                break
        if not doing.done():
            self._deaf.add(doing)
            doing.add_done_callback(self._deaf.discard)
        return doing.done()

    async def _handled(self, run: JobRun) -> object:
        handler = self._handlers.get(run.handler)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            raise CommandRejected(f"job: expected one of {known}, was {run.handler!r}")
        try:
            async with asyncio.timeout(run.timeout_s) as limit:
                return await handler(run)
        except TimeoutError:
            if limit.expired():
                raise _TookTooLong(f"took longer than {run.timeout_s:g} s") from None
            raise

    def _ended(self, doing: asyncio.Task[object], claim: JobClaim, cancelled: str) -> JobClaim:
        if doing.cancelled():
            return _with(claim, ClaimStatus.FAILED, cancelled)
        error = doing.exception()
        if error is None:
            return _with(claim, ClaimStatus.SUCCEEDED, "", _storable(doing.result()))
        if isinstance(error, CommandRejected):
            log.warning("job.run_refused", reason=reason_of(error))
            return _with(claim, ClaimStatus.REFUSED, reason_of(error))
        status = ClaimStatus.TIMED_OUT if isinstance(error, _TookTooLong) else ClaimStatus.FAILED
        known = isinstance(error, SdkError | _TookTooLong)
        reason = reason_of(error) if known else f"{type(error).__name__}: {error}"
        log.warning("job.run_failed", reason=reason, exc_info=None if known else error)
        return _with(claim, status, reason, error.output if isinstance(error, JobFailed) else None)

    async def _look(self, key: str) -> None:
        """A watch may miss what happens while the connection is away."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                claim = await self._claims.get(key)
            except SdkError as error:
                log.debug("job.claim_not_readable", key=key, error=reason_of(error))
                continue
            if claim is not None:
                self._see(key, claim)

    async def _keep(self, run: JobRun, revision: int, ended: JobClaim) -> None:
        """Write how it ended, for as long as that takes: nobody else knows it."""
        while True:
            try:
                counts = await self._claims.end(run.key, revision, ended)
            except SdkError as error:
                log.warning("job.result_not_stored", key=run.key, error=reason_of(error))
                await asyncio.sleep(_PAUSE_S)
                continue
            if not counts:
                self._metrics.count("job_results_refused_total")
                log.warning("job.result_refused", key=run.key, status=ended.status.value)
            return


class _TookTooLong(Exception):
    """A handler that was cancelled by the limit of its run."""


def _with(claim: JobClaim, status: ClaimStatus, reason: str, output: object = None) -> JobClaim:
    return msgspec.structs.replace(claim, status=status, ended_at=time.time_ns(), reason=reason[:1_000], output=output)


def _storable(output: object) -> object:
    """An output as the bucket can hold it: its beginning as text where it is too large or of a type without a form."""
    try:
        packed = msgspec.msgpack.encode(msgspec.to_builtins(output, str_keys=True))
    except Exception:  # noqa: BLE001 (whatever a handler returns: what it did is done)
        return {"text": repr(output)[:4_096]}
    if len(packed) > MOST_OUTPUT_BYTES:
        return {"bytes": len(packed), "beginning": str(output)[:4_096]}
    return msgspec.msgpack.decode(packed)


__all__ = ["JobRunner"]
