"""The scheduler that leads: plans, stores what it planned, and then gives the runs to services.

The order is what keeps a due time from being run twice. What the planner changes is written first, in one piece and
under the fence (`ScheduleLog`). Runs are given after that: a leader that ends in between leaves states in which they
are running, and the next leader gives them again, under the same keys, which a service begins once (`JobClaims`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog

from marketprism_adapters.nats.event_publisher import EventPublisher
from marketprism_adapters.nats.job_store import Asked, JobStore
from marketprism_adapters.nats.schedule_log import ScheduleLog, ScheduleReader
from marketprism_application.contracts.schedule_records import RunRecord
from marketprism_application.scheduling.planner import Planner
from marketprism_application.scheduling.run_changes import Action, Begin, Changes, GiveUp
from marketprism_application.scheduling.steady_clock import SteadyClock
from marketprism_domain.scheduling.jobs import is_name
from marketprism_domain.scheduling.runs import RunOrigin, RunStatus
from marketprism_domain.values import NANOS_PER_SECOND
from marketprism_sdk.errors import Fenced, SdkError, StreamMissing, reason_of
from marketprism_sdk.messaging import ClaimStatus, Discovery, JobClaim, JobClaims, JobRun
from marketprism_sdk.observability import Metrics
from marketprism_services.scheduler.jobs_in_force import JobsInForce
from marketprism_services.scheduler.run_ends import event_of, outcome_of_claim

log = structlog.get_logger()

Submit = Callable[[str, JobRun], Awaitable[None]]

_LOOK_S = 1.0  # the wall clock may be set, so that no sleep is longer
_CLAIMS_S = 2.0
_READ_S = 15.0
_RETRY_S = 0.5
_GONE_LOOKS = 3  # looks in a row at which the instance that does a run is in no registry
_KEEP_S = 12 * 3600.0  # states are written anew so often, so that the age limit of the stream never takes one
_AT_ONCE = 64
_STUCK = 10


class ScheduleLeader:
    """One leadership; `run` ends when the log is fenced, and raises that."""

    def __init__(
        self,
        schedule: ScheduleLog,
        reader: ScheduleReader,
        store: JobStore,
        claims: JobClaims,
        in_force: JobsInForce,
        submit: Submit,
        events: EventPublisher,
        discovery: Discovery,
        metrics: Metrics,
        *,
        epoch: int,
        most_running: int,
        replicas: int = 1,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._log = schedule
        self._reader = reader
        self._store = store
        self._claims = claims
        self._in_force = in_force
        self._submit = submit
        self._events = events
        self._discovery = discovery
        self._metrics = metrics
        self._epoch = epoch
        self._replicas = replicas
        self._now_ns = now_ns
        self.planner = Planner(epoch, most_running=most_running)
        self._wake = asyncio.Event()
        self._ended: list[tuple[str, JobClaim]] = []
        self._claimed: list[str] = []
        self._kept: list[str] = []  # attempts whose output is in the history now
        self._clock = SteadyClock()
        self._failures = 0  # writes in a row that failed
        self._definitions_changed = True
        self._requests_changed = True
        self._undone: list[Action] = []
        self._absent: dict[str, int] = {}  # attempt: looks at which its instance was not there

    async def run(self) -> None:
        """Lead until cancelled.

        Raises:
            Fenced: somebody else leads.
        """
        stops = [
            await self._claims.watch(self._see_claim),
            await self._store.watch(self._see_definition, self._see_request),
        ]
        try:
            await self._insist(self._take_over)
            loop = asyncio.get_running_loop()
            looked = read = kept = loop.time()
            while True:
                await self._insist(self._step)
                if loop.time() - looked >= _CLAIMS_S:
                    looked = loop.time()
                    await self._insist(self._look_at_claims)
                if loop.time() - read >= _READ_S:
                    read = loop.time()
                    self._definitions_changed = self._requests_changed = True  # a watch may miss something
                if loop.time() - kept >= _KEEP_S:
                    kept = loop.time()
                    self.planner.keep_all()
                await self._wait()
        finally:
            for stop in stops:
                await stop()

    # -- what others write -------------------------------------------------------------------------------------------

    def _see_claim(self, key: str, claim: JobClaim) -> None:
        if claim.is_final:
            self._ended.append((key, claim))
        else:
            self._claimed.append(key)
        self._wake.set()

    def _see_definition(self) -> None:
        self._definitions_changed = True
        self._wake.set()

    def _see_request(self) -> None:
        self._requests_changed = True
        self._wake.set()

    def _now(self) -> int:
        """The wall clock, which is held where it has just been set: by hand and at once back again, perhaps."""
        now, moved = self._clock.read(self._now_ns(), time.monotonic_ns())
        if moved:
            log.warning("schedule.clock_set", by_s=moved / NANOS_PER_SECOND)
            self.planner.clock_moved(moved)
        return now

    # -- steps -------------------------------------------------------------------------------------------------------

    async def _insist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step until it is done: what cannot be stored now is tried again, and nothing is done on top of it.

        Raises:
            Fenced: somebody else leads.
        """
        while True:
            try:
                return await step()
            except Fenced:
                raise
            except SdkError as error:
                log.warning("schedule.step_failed", error=reason_of(error))
                await asyncio.sleep(_RETRY_S)

    async def _wait(self) -> None:
        """Until something is due, somebody wrote something, or a second has passed."""
        due = self.planner.next_look()
        left_s = _LOOK_S if due is None else (due - self._now()) / NANOS_PER_SECOND
        if self._undone:
            left_s = min(left_s, _RETRY_S)
        try:
            async with asyncio.timeout(max(0.0, min(left_s, _LOOK_S))):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _take_over(self) -> None:
        """Go on from where the leader before has stopped: a replica that has the fence has all that it wrote."""
        states = await self._reader.states(self._log.seq)
        now = self._now()
        jobs = await self._in_force.read(now)
        changes = Changes()
        for name, (job, times, paused) in jobs.items():
            changes.add(self.planner.put(job, times, states.get(name), now, paused=paused))
        for name, state in states.items():
            if name not in jobs and state.open:
                changes.add(self.planner.end_removed(state, now))
        await self._commit(changes)
        self._undone = self.planner.actions_again()
        self._definitions_changed = False
        open_runs = sum(len(state.open) for state in states.values())
        log.info("schedule.taken_over", jobs=len(jobs), open_runs=open_runs, epoch=self._epoch)

    async def _step(self) -> None:
        now = self._now()
        # Requests are read before definitions: whoever defines a job and asks for a run of it has both.
        wants, self._requests_changed = self._requests_changed, False
        try:
            asked = await self._store.requests() if wants else []
            if self._definitions_changed or asked:
                self._definitions_changed = False
                await self._redefine(now)
        except SdkError:
            self._requests_changed = self._definitions_changed = True
            raise
        for each in asked:
            await self._handle(each, now)
        claimed, self._claimed = self._claimed, []
        for key in claimed:
            self.planner.on_claim(key.partition(".")[0], key, now)
        ended, self._ended = self._ended, []
        changes = Changes()
        for key, claim in ended:
            changes.add(self.planner.on_outcome(key.partition(".")[0], key, outcome_of_claim(claim), now))
            self._absent.pop(key, None)
        changes.add(self.planner.on_clock(now))
        await self._commit(changes)
        self.planner.clear_out()
        await self._act()

    async def _redefine(self, now: int) -> None:
        """Take over what was defined, paused or removed since."""
        changed, removed = await self._in_force.changes(now)
        changes = Changes()
        for job, times, paused in changed.values():
            changes.add(self.planner.put(job, times, None, now, paused=paused))
        for name in removed:
            changes.add(self.planner.remove(name, now))
        if changed or removed:
            log.info("schedule.redefined", changed=len(changed), removed=len(removed))
            await self._commit(changes)

    async def _handle(self, each: Asked, now: int) -> None:
        request, planner = each.request, self.planner
        track, changes = planner.track(request.job), Changes()
        if track is None:
            changes = self._not_planned(each, now)
        elif track.state.asked < each.revision:
            match request.what:
                case "run":
                    changes = planner.run_now(request.job, request.first, now, request.actor, each.revision)
                case "cancel":
                    reason = f"cancelled by {request.actor}"
                    changes = planner.cancel(request.job, request.first, now, reason, request.asked)
                case _:
                    span = request.first, request.last
                    changes = planner.backfill(request.job, *span, now, request.actor, each.revision)
            planner.asked(request.job, each.revision)
        await self._commit(changes)
        await self._store.handled(each)

    def _not_planned(self, each: Asked, now: int) -> Changes:
        """What was asked of a job that is not planned is named in its history."""
        request = each.request
        log.warning("schedule.request_for_nobody", job=request.job, what=request.what, actor=request.actor)
        if request.what != "run" or not is_name(request.job):
            return Changes()
        origin, why = RunOrigin.OPERATOR, self._in_force.refused.get(request.job, "the job is not defined")
        record = RunRecord(
            request.job, request.first, RunStatus.SKIPPED, origin, now, now, reason=why, epoch=self._epoch
        )
        return Changes([msgspec.structs.replace(record, actor=request.actor, asked=each.revision)])

    # -- store, then do ----------------------------------------------------------------------------------------------

    async def _commit(self, changes: Changes) -> None:
        """Store what has changed. Whatever happens, nothing else is stored or done before it is. Raises Fenced."""
        states = self.planner.touched()
        while states or changes.records:
            try:
                await self._log.write(states, changes.records)
                break
            except Fenced:
                raise
            except StreamMissing:
                log.warning("schedule.stream_missing", detail="it is made anew, its history is lost")
                await self._insist(partial(self._log.make_anew, self._replicas))
                self.planner.keep_all()
                states = self.planner.touched()
            except SdkError as error:
                self._failures += 1
                log.warning("schedule.not_stored", error=reason_of(error), states=len(states))
                await asyncio.sleep(_RETRY_S)
        self._failures = 0
        self._undone += changes.actions
        for record in changes.records:
            self._measure(record)
            if record.attempts and record.output is not None:
                self._kept.append(record.run.attempt(record.attempts))
        events = [event for record in changes.records if (event := event_of(record)) is not None]
        if events:
            await self._events.publish_soon(events, self._epoch)

    def _measure(self, record: RunRecord) -> None:
        self._metrics.count("schedule_runs_total", record.runs, job=record.job, result=record.status.value)
        if record.status is RunStatus.SUCCEEDED:
            seconds = record.ended_at / NANOS_PER_SECOND
            self._metrics.gauge("schedule_last_success_seconds", seconds, job=record.job)
        if record.attempts > 1:
            self._metrics.count("schedule_retries_total", record.attempts - 1, job=record.job)
        if record.attempts:
            self._metrics.observe("schedule_run_seconds", record.ran_s, job=record.job)
        if record.begun_at and record.origin is RunOrigin.SCHEDULE:
            late_s = max(0, record.begun_at - record.due) / NANOS_PER_SECOND
            self._metrics.observe("schedule_lateness_seconds", late_s)

    async def _act(self) -> None:
        """Do what is stored; what cannot be done now is tried again at the next step."""
        todo, self._undone = self._undone, []
        for start in range(0, len(todo), _AT_ONCE):
            some = todo[start : start + _AT_ONCE]
            results = await asyncio.gather(*map(self._do, some))
            self._undone += [action for action, is_done in zip(some, results, strict=True) if not is_done]

    @property
    def is_stuck(self) -> bool:
        """Whether what was planned cannot be stored for several tries by now."""
        return self._failures >= _STUCK

    async def _do(self, action: Action) -> bool:
        try:
            if isinstance(action, Begin):
                await self._begin(action)
            else:
                await self._give_up(action)
        except SdkError as error:
            log.warning("schedule.action_failed", key=action.key, error=reason_of(error), retryable=error.retryable)
            if error.retryable:
                return False
            # What NATS refuses it will refuse again: the run ends, and says why.
            self._see_claim(action.key, JobClaim(ClaimStatus.FAILED, reason=reason_of(error)))
        except Exception as error:
            log.exception("schedule.action_broken", key=action.key)
            self._see_claim(action.key, JobClaim(ClaimStatus.REFUSED, reason=f"{type(error).__name__}: {error}"[:500]))
        return True

    async def _begin(self, action: Begin) -> None:
        track = self.planner.track(action.run.job)
        if track is None:
            return
        job = track.job
        attempt = int(action.key.rpartition(".")[2])
        run = JobRun(action.key, job.name, job.operation, action.run.due, attempt, dict(job.body), job.timeout_s)
        await self._submit(job.service, run)

    async def _give_up(self, action: GiveUp) -> None:
        status = ClaimStatus.TIMED_OUT if action.is_timeout else ClaimStatus.CANCELLED
        reason = action.reason
        self._see_claim(action.key, await self._claims.give_up(action.key, status, reason))

    async def _look_at_claims(self) -> None:
        """Ends that no watch has brought, and runs whose instance is gone."""
        keys = self.planner.running_keys()
        self._absent = {key: looks for key, looks in self._absent.items() if key in keys}
        there = {record.instance for record in self._discovery.instances()}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            for key, claim in zip(some, await asyncio.gather(*map(self._claims.get, some)), strict=True):
                if claim is None:
                    continue
                self._see_claim(key, claim)
                if claim.is_final or claim.instance in there:
                    self._absent.pop(key, None)
                else:
                    await self._miss(key, claim)

        kept, self._kept = self._kept, []
        await asyncio.gather(*map(self._claims.forget_output, kept))

    async def _miss(self, key: str, claim: JobClaim) -> None:
        looks = self._absent[key] = self._absent.get(key, 0) + 1
        if looks >= _GONE_LOOKS:
            reason = f"{claim.instance}, which did it, is gone"
            self._see_claim(key, await self._claims.give_up(key, ClaimStatus.FAILED, reason))


__all__ = ["ScheduleLeader", "Submit"]
