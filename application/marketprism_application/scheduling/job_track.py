"""One job along the clock: which runs there are, and what each needs next.

A track changes its state and says what has to be told and done because of it. The caller stores the state and what is
told first, in one piece, and does the rest after: whoever finds the state goes on from it, and does again what may not
have been done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from marketprism_application.contracts.schedule_records import JobState, OpenRun, RunRecord
from marketprism_application.contracts.times import iso_short
from marketprism_application.scheduling.due_span import DueSpan, caught_up, due_span
from marketprism_application.scheduling.run_changes import Action, Begin, Changes, GiveUp, Outcome
from marketprism_domain.scheduling.due_times import DueTimes
from marketprism_domain.scheduling.jobs import Job, Needs, Overlap
from marketprism_domain.scheduling.runs import DUE_STEP_NS, RunId, RunOrigin, RunStatus
from marketprism_domain.scheduling.triggers import AfterTrigger
from marketprism_domain.values import NANOS_PER_SECOND

MOST_OPEN = 1_000  # runs of one job that are not done
_REASON = 200  # characters of an attempt's end that an open run remembers
_FOREVER = (1 << 63) - 1
_ASKED = frozenset({RunOrigin.OPERATOR, RunOrigin.BACKFILL})
_MADE_UP = frozenset({RunOrigin.CATCH_UP, RunOrigin.BACKFILL})


class JobTrack:
    """A job and where it stands; `chance` draws what pauses differ by, 0 to 1."""

    def __init__(
        self, job: Job, times: DueTimes, state: JobState, *, epoch: int, chance: Callable[[], float] = lambda: 0.5
    ) -> None:
        self.job = job
        self.times = times
        self.state = state
        self._epoch = epoch
        self._chance = chance
        self._given_up: set[str] = set()  # attempts whose end is being seen to

    @property
    def running(self) -> int:
        """Runs whose command is given."""
        return sum(run.status is RunStatus.RUNNING for run in self.state.open)

    def running_keys(self) -> list[str]:
        """The attempts whose command is given."""
        return [self._key(run) for run in self.state.open if run.status is RunStatus.RUNNING]

    def actions_again(self) -> list[Action]:
        """For a new leader: what the one before may not have done any more."""
        runs = (run for run in self.state.open if run.status is RunStatus.RUNNING)
        return [Begin(self._id(run), self._key(run)) for run in runs]

    # -- the clock ---------------------------------------------------------------------------------------------------

    def next_look(self, now: int) -> int:
        """When time alone changes anything, nanoseconds UTC: behind `now`, up to which everything was looked at."""
        found = _FOREVER
        if self.job.enabled and not self.state.paused and (due := self.times.following(self.state.cursor)) is not None:
            found = due
        for run in self.state.open:
            times: tuple[int, ...]
            if run.status is RunStatus.RUNNING:
                times = () if self._key(run) in self._given_up else (run.since + self._limit_ns(run),)
            elif self._waits_for_others(run):
                times = (run.not_before, run.planned_at + self._timeout_ns)
            else:
                times = (run.not_before,)
            for each in times:
                if now < each < found:
                    found = each
        return found

    def on_clock(self, now: int, ended: Mapping[str, tuple[int, RunStatus]], room: int) -> Changes:
        """Plan what is due and begin what can be begun: `room` runs at most. `ended`: of each job waited for, the due
        time and the status of its newest run."""
        changes = Changes()
        if self.job.enabled and not self.state.paused:
            self._plan(now, changes)
        if isinstance(self.job.trigger, AfterTrigger) and self.job.enabled and not self.state.paused:
            self._follow(now, ended, changes)
        self._look_at_running(now, changes)
        self._begin(now, ended, room, changes)
        return changes

    def _plan(self, now: int, changes: Changes) -> None:
        span = due_span(self.times, self.state.cursor, now)
        if not span.total:
            return
        late = now - int(self.job.late_s * NANOS_PER_SECOND)
        passed = [each for each in span.newest if each < late]
        made_up, missed = caught_up(self.job.catch_up, passed, now)
        self.state.cursor = span.last
        self._miss(span._replace(newest=tuple(missed)), now, f"nobody ran it within {self.job.late_s:g} s", changes)
        for each in made_up:
            self._add(each, RunOrigin.CATCH_UP, now, changes)
        for each in span.newest[len(passed) :]:
            self._add(each, RunOrigin.SCHEDULE, now, changes)

    def miss_all(self, now: int, reason: str) -> Changes:
        """What is due up to now is run no more, and named."""
        changes = Changes()
        if self.job.enabled:
            span = due_span(self.times, self.state.cursor, now)
            self._miss(span, now, "paused" if self.state.paused else reason, changes)
            self.state.cursor = max(self.state.cursor, now)
        return changes

    def _miss(self, span: DueSpan, now: int, reason: str, changes: Changes) -> None:
        if span.total:
            record = RunRecord(self.job.name, span.first, RunStatus.MISSED, RunOrigin.SCHEDULE, now, now, reason=reason)
            named = msgspec.structs.replace(record, epoch=self._epoch, last_due=span.last, runs=span.total)
            changes.records.append(named)

    def _add(
        self,
        due: int,
        origin: RunOrigin,
        now: int,
        changes: Changes,
        actor: str = "",
        used: dict[str, int] | None = None,
        asked: int = 0,
    ) -> None:
        """A run more, if the rule for overlaps lets it be."""
        state = self.state
        if not asked and any(run.due == due for run in state.open):
            return
        run = OpenRun(due, origin, now, since=now, actor=actor, not_before=self._jittered(due, origin), asked=asked)
        if used is not None:
            state.used = used
        if len(state.open) >= MOST_OPEN:
            self._pass_over(run, now, f"{MOST_OPEN} runs before it are not done", changes)
        elif origin in _MADE_UP or not (others := [each for each in state.open if each.origin not in _MADE_UP]):
            state.open.append(run)  # what is made up for has its turn, and keeps nobody from his
        else:
            self._overlap(run, others, now, changes)

    def _overlap(self, run: OpenRun, others: list[OpenRun], now: int, changes: Changes) -> None:
        state, before = self.state, others[0]
        waiting = sum(each.status is RunStatus.WAITING for each in others)
        match self.job.overlap:
            case Overlap.SKIP:
                self._pass_over(run, now, f"the run of {iso_short(before.due)} is not done", changes)
            case Overlap.QUEUE_ONE if waiting and before.status is not RunStatus.WAITING:
                self._pass_over(run, now, "another run waits already", changes)
            case Overlap.CANCEL_RUNNING:
                for each in list(state.open):
                    self._stop(each, now, f"the run of {iso_short(run.due)} is due", changes)
                state.open.append(run)
            case _:
                state.open.append(run)

    def _pass_over(self, run: OpenRun, now: int, reason: str, changes: Changes) -> None:
        """Skip a run for another one of the job: that one is what others wait for."""
        self._record(run, RunStatus.SKIPPED, now, reason, changes)

    def _jittered(self, due: int, origin: RunOrigin) -> int:
        """When it is begun at the earliest, 0 for at once: the same for every leader."""
        if not self.job.jitter_s or origin is not RunOrigin.SCHEDULE:
            return 0
        share = int.from_bytes(hashlib.blake2b(f"{self.job.name}.{due}".encode(), digest_size=4).digest()) / (1 << 32)
        return due + int(share * self.job.jitter_s * NANOS_PER_SECOND)

    # -- other jobs --------------------------------------------------------------------------------------------------

    def _follow(self, now: int, ended: Mapping[str, tuple[int, RunStatus]], changes: Changes) -> None:
        """A job that is due after others: once each of them has a run that it has not stood on yet."""
        newest: dict[str, int] = {}
        for each in self.job.after:
            due, _ = ended.get(each.job, (0, RunStatus.MISSED))
            if due <= self.state.used.get(each.job, 0):
                return
            newest[each.job] = due
        due = -(-max(*newest.values(), self.state.cursor + DUE_STEP_NS) // DUE_STEP_NS) * DUE_STEP_NS
        reason = self._unmet(ended)
        if reason:
            self.state.used = newest
            self._end(OpenRun(due, RunOrigin.SCHEDULE, now), RunStatus.SKIPPED, now, reason, changes)
        else:
            self._add(due, RunOrigin.SCHEDULE, now, changes, used=newest)
        self.state.cursor = due

    def _unmet(self, ended: Mapping[str, tuple[int, RunStatus]]) -> str:
        """Which job did not end as it should have, empty where all did."""
        for each in self.job.after:
            status = ended[each.job][1]
            succeeded, failed = status is RunStatus.SUCCEEDED, status.has_failed
            if not {Needs.SUCCESS: succeeded, Needs.FAILURE: failed, Needs.ANY: True}[each.on]:
                return f"{each.job} has {status.value}, and {each.on.value} was waited for"
        return ""

    def _waits_for_others(self, run: OpenRun) -> bool:
        """A job with a time of its own that also waits for others."""
        clocked = bool(self.job.after) and not isinstance(self.job.trigger, AfterTrigger)
        return clocked and run.status is RunStatus.WAITING and run.origin not in _ASKED

    def _others(self, run: OpenRun, now: int, ended: Mapping[str, tuple[int, RunStatus]], changes: Changes) -> bool:
        """Whether the jobs that are waited for have run since the run before stood on theirs; ends it where not."""
        fresh = {each.job: ended.get(each.job, (0, RunStatus.MISSED))[0] for each in self.job.after}
        waited = [job for job, due in fresh.items() if due <= self.state.used.get(job, 0)]
        if waited:
            if now >= run.planned_at + self._timeout_ns:
                reason = f"{', '.join(waited)} did not run within {self.job.timeout_s:g} s"
                self._drop(run, RunStatus.SKIPPED, now, reason, changes)
            return False
        reason = self._unmet(ended)
        self.state.used = fresh
        if reason:
            self._drop(run, RunStatus.SKIPPED, now, reason, changes)
            return False
        return True

    # -- runs --------------------------------------------------------------------------------------------------------

    @property
    def _timeout_ns(self) -> int:
        return int(self.job.timeout_s * NANOS_PER_SECOND)

    def _id(self, run: OpenRun) -> RunId:
        return run.id_of(self.job.name)

    def _key(self, run: OpenRun) -> str:
        return self._id(run).attempt(run.attempt)

    def _look_at_running(self, now: int, changes: Changes) -> None:
        for run in self.state.open:
            if run.status is RunStatus.RUNNING and now >= run.since + self._limit_ns(run):
                job = self.job
                late = (
                    f"took longer than {job.timeout_s:g} s"
                    if run.is_claimed
                    else f"nobody began it in {job.begin_s:g} s"
                )
                self._give_up(run, late, changes, is_timeout=True)

    def _limit_ns(self, run: OpenRun) -> int:
        """How long an attempt may be under way: until some instance begins it, and from then on."""
        return self._timeout_ns if run.is_claimed else int(self.job.begin_s * NANOS_PER_SECOND)

    def on_claim(self, key: str, now: int) -> None:
        """Some instance has begun an attempt, by now."""
        for run in self.state.open:
            if run.status is RunStatus.RUNNING and not run.is_claimed and self._key(run) == key:
                run.is_claimed, run.since = True, now

    def clock_moved(self, by_ns: int) -> int:
        """Move the instants from which waits are counted; how many runs are open."""
        for run in self.state.open:
            run.since += by_ns
            run.not_before += by_ns if run.not_before else 0
        return len(self.state.open)

    def _give_up(self, run: OpenRun, reason: str, changes: Changes, *, is_timeout: bool = False) -> None:
        key = self._key(run)
        if key not in self._given_up:
            self._given_up.add(key)
            changes.actions.append(GiveUp(self._id(run), key, reason, is_timeout))

    def _begin(self, now: int, ended: Mapping[str, tuple[int, RunStatus]], room: int, changes: Changes) -> None:
        """Runs at their own times go before those that are made up for; of both the one that was due first."""
        state, is_free = self.state, self.job.overlap is Overlap.ALLOW
        for run in sorted(state.open, key=lambda each: each.origin in _MADE_UP):
            if run not in state.open or run.status is RunStatus.RUNNING:
                if not is_free:
                    break
                continue
            may = run.not_before <= now and room > 0 and not (not is_free and self.running)
            if may and (not self._waits_for_others(run) or self._others(run, now, ended, changes)):
                room -= 1
                run.status, run.attempt, run.since, run.not_before = RunStatus.RUNNING, run.attempt + 1, now, 0
                run.begun_at, run.is_claimed = run.begun_at or now, False
                changes.actions.append(Begin(self._id(run), self._key(run)))
            elif not is_free and run in state.open:
                break  # the next one is not begun before this one is done

    def on_outcome(self, key: str, outcome: Outcome, now: int) -> Changes:
        """What became of an attempt. One that is not waited for any more is passed over."""
        changes = Changes()
        found = next(
            (run for run in self.state.open if run.status is RunStatus.RUNNING and self._key(run) == key), None
        )
        if found is None:
            return changes
        self._given_up.discard(key)
        tries_again = outcome.status.has_failed and not outcome.is_final
        if tries_again and found.attempt < self.job.retry.attempts:
            found.status, found.since, found.reason = RunStatus.RETRYING, now, outcome.reason[:_REASON]
            found.not_before = now + self.job.retry.pause_ns(found.attempt, self._chance())
        else:
            self._drop(found, outcome.status, now, outcome.reason, changes, outcome)
        return changes

    def _drop(
        self,
        run: OpenRun,
        status: RunStatus,
        now: int,
        reason: str,
        changes: Changes,
        outcome: Outcome | None = None,
    ) -> None:
        """An open run has ended."""
        self.state.open.remove(run)
        self._end(run, status, now, reason, changes, outcome)

    def _end(
        self,
        run: OpenRun,
        status: RunStatus,
        now: int,
        reason: str,
        changes: Changes,
        outcome: Outcome | None = None,
    ) -> None:
        state = self.state
        if run.due >= state.ended_due:
            state.ended_due, state.ended_status = run.due, status
        if status is RunStatus.SUCCEEDED:
            state.last_success, state.failures = now, 0
        elif status.has_failed:
            state.failures += 1
        self._record(run, status, now, reason, changes, outcome)

    def _record(
        self,
        run: OpenRun,
        status: RunStatus,
        now: int,
        reason: str,
        changes: Changes,
        outcome: Outcome | None = None,
    ) -> None:
        changes.records.append(
            RunRecord(
                self.job.name,
                run.due,
                status,
                run.origin,
                run.planned_at,
                now,
                run.begun_at,
                run.attempt,
                reason[:1_000],
                None if outcome is None else outcome.output,
                0.0 if outcome is None else outcome.ran_s,
                self._epoch,
                actor=run.actor,
                asked=run.asked,
            )
        )

    # -- what people ask for -----------------------------------------------------------------------------------------

    def run_now(self, due: int, now: int, actor: str, asked: int) -> Changes:
        """A run more, due then or right after the run that is."""
        changes = Changes()
        taken = {run.due for run in self.state.open}
        while due in taken:
            due += DUE_STEP_NS
        self._add(due, RunOrigin.OPERATOR, now, changes, actor, asked=asked)
        return changes

    def backfill(self, first: int, last: int, now: int, actor: str, asked: int) -> Changes:
        """Runs for the due times from `first` to `last`, the newest ones where there are very many."""
        changes = Changes()
        for due in due_span(self.times, first - 1, min(last, now)).newest:
            self._add(due, RunOrigin.BACKFILL, now, changes, actor, asked=asked)
        return changes

    def cancel(self, due: int, now: int, reason: str, asked: int = 0) -> Changes:
        """End the run that was due then, whether it has begun or not."""
        changes = Changes()
        for run in [each for each in self.state.open if each.due == due and asked in (0, each.asked)]:
            self._stop(run, now, reason, changes)
        return changes

    def _stop(self, run: OpenRun, now: int, reason: str, changes: Changes) -> None:
        if run.status is RunStatus.RUNNING:
            self._give_up(run, reason, changes)
        else:
            self._drop(run, RunStatus.CANCELLED, now, reason, changes)

    def pause(self) -> None:
        """Plan nothing more; what is open goes on."""
        self.state.paused = True

    def resume(self, now: int) -> Changes:
        """Plan again from now on: what was due meanwhile is named as missed."""
        changes = self.miss_all(now, "paused") if self.state.paused else Changes()
        self.state.paused = False
        return changes


__all__ = ["JobTrack"]
