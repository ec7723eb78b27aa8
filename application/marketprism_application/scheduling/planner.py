"""All jobs together: which is to be looked at next, who waits for whom, and how many runs there are at once."""

from __future__ import annotations

import dataclasses
import heapq
import random
from collections.abc import Callable, Iterable

from marketprism_application.contracts.schedule_records import JobState
from marketprism_application.scheduling.job_track import JobTrack
from marketprism_application.scheduling.run_changes import Action, Changes, Outcome
from marketprism_domain.scheduling.due_times import DueTimes, NeverDue
from marketprism_domain.scheduling.jobs import Job
from marketprism_domain.scheduling.runs import RunStatus
from marketprism_domain.scheduling.triggers import ManualTrigger
from marketprism_domain.values import NANOS_PER_SECOND

_AHEAD_NS = 25 * 3_600 * NANOS_PER_SECOND  # a clock that was set back an hour or a day leaves cursors ahead


class Planner:
    """The jobs of a leader. What a call returns is to be stored before its actions are done; `touched` names the jobs
    whose state has changed since it was asked last.

    `most_running`: runs at once, of all jobs; what is more waits in the order in which it was due.
    """

    def __init__(self, epoch: int, *, most_running: int = 64, chance: Callable[[], float] = random.random) -> None:
        self._epoch = epoch
        self._most_running = most_running
        self._chance = chance
        self._tracks: dict[str, JobTrack] = {}
        self._dependents: dict[str, set[str]] = {}
        self._heap: list[tuple[int, int, str]] = []  # when to look, since when it waits, job
        self._looks: dict[str, int] = {}  # job: the entry of the heap that counts
        self._running = 0
        self._touched: set[str] = set()
        self._held_back: set[str] = set()  # jobs that found no room
        self._leaving: set[str] = set()  # jobs that are defined no more, and have runs that are not done
        self._left: dict[str, JobState] = {}  # where jobs stood that are there no more
        self._new: set[str] = set()  # jobs that nobody has looked at yet

    # -- jobs --------------------------------------------------------------------------------------------------------

    def put(self, job: Job, times: DueTimes, state: JobState | None, now: int, *, paused: bool = False) -> Changes:
        """A job that is new, or is defined anew. One that is new, or has another trigger, is due from now on."""
        before = self._tracks.get(job.name)
        known = before.state if before is not None else state or self._left.pop(job.name, None)
        changes = Changes()
        if known is None:
            known = JobState(job.name, now)
            self._touched.add(job.name)
            self._new.add(job.name)
        if known.cursor > now + _AHEAD_NS:  # nobody has planned a day ahead: it is nonsense
            known.cursor = now
        trigger = f"{job.trigger}" if job.enabled else ""
        if known.trigger != trigger:
            if before is not None:
                changes = before.miss_all(now, "it was defined anew")
            known.trigger, known.cursor = trigger, max(known.cursor, now)
            self._touched.add(job.name)
        if before is not None:
            self._forget(before)
            self._leaving.discard(job.name)
        track = JobTrack(job, times, known, epoch=self._epoch, chance=self._chance)
        self._tracks[job.name] = track
        self._running += track.running
        for each in job.after:
            self._dependents.setdefault(each.job, set()).add(job.name)
        if paused != known.paused:
            self._touched.add(job.name)
            if paused:
                track.pause()
            else:
                changes.add(track.resume(now))
        self._look_at(job.name, now)
        return changes

    def remove(self, name: str, now: int) -> Changes:
        """A job that is defined no more: what is open of it ends."""
        track = self._tracks.get(name)
        if track is None:
            return Changes()
        changes = track.miss_all(now, "the job was removed") if name not in self._leaving else Changes()
        for run in list(track.state.open):
            changes.add(track.cancel(run.due, now, "the job was removed"))
        track.state.trigger = ""
        track.job = dataclasses.replace(track.job, enabled=False)
        self._touched.add(name)
        self._leaving.add(name)
        return changes

    def clear_out(self) -> None:
        """Forget the jobs that were removed and of which nothing runs any more; their states are stored by now."""
        for name in [each for each in self._leaving if not self._tracks[each].state.open]:
            self._left[name] = self._tracks[name].state
            self._forget(self._tracks.pop(name))
            self._looks.pop(name, None)
            self._leaving.discard(name)

    def _forget(self, track: JobTrack) -> None:
        self._running -= track.running
        for each in track.job.after:
            self._dependents.get(each.job, set()).discard(track.job.name)

    def track(self, name: str) -> JobTrack | None:
        """A job, None where there is none."""
        return self._tracks.get(name)

    def running_keys(self) -> list[str]:
        """The attempts whose command is given."""
        return [key for track in self._tracks.values() for key in track.running_keys()]

    def keep_all(self) -> None:
        """Every state counts as changed."""
        self._touched.update(self._tracks)

    def end_removed(self, state: JobState, now: int) -> Changes:
        """For a new leader: the runs of a job that is defined no more end."""
        job = Job(state.job, ManualTrigger(), "nobody.nothing", enabled=False)
        changes = self.put(job, NeverDue(), state, now)
        changes.add(self.remove(state.job, now))
        return changes

    def names(self) -> list[str]:
        """The jobs that are planned."""
        return list(self._tracks)

    @property
    def running(self) -> int:
        """Runs whose command is given."""
        return self._running

    @property
    def waiting(self) -> int:
        """Runs that are to begin, and have not."""
        return sum(len(track.state.open) for track in self._tracks.values()) - self._running

    def touched(self) -> list[JobState]:
        """States that have changed."""
        found = [self._tracks[name].state for name in sorted(self._touched) if name in self._tracks]
        self._touched.clear()
        return found

    # -- the clock ---------------------------------------------------------------------------------------------------

    def next_look(self) -> int | None:
        """When anything is to be looked at, nanoseconds UTC; None for never."""
        while self._heap and self._looks.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def on_clock(self, now: int, most: int = 200) -> Changes:
        """Look at the jobs whose time has come, at most so many: the caller comes again while there are more."""
        changes = Changes()
        for _ in range(most):
            due = self.next_look()
            if due is None or due > now:
                break
            *_, name = heapq.heappop(self._heap)
            self._looks.pop(name, None)
            self._look(name, now, changes)
        return changes

    def clock_moved(self, by_ns: int) -> None:
        """The clock was set: what is under way has the time left that it had."""
        for name, track in self._tracks.items():
            if track.clock_moved(by_ns):
                self._touched.add(name)
            self._look_at(name, 0)

    def look_again(self, names: Iterable[str], now: int) -> None:
        """When these jobs are due may have changed, as by a session that an exchange has moved."""
        for name in names:
            if name in self._tracks:
                self._look_at(name, now)

    def _look_at(self, name: str, when: int) -> None:
        if self._looks.get(name) != when:
            self._looks[name] = when
            waits = [run.due for run in self._tracks[name].state.open if run.status is not RunStatus.RUNNING]
            heapq.heappush(self._heap, (when, min(waits, default=when), name))

    def _look(self, name: str, now: int, changes: Changes) -> None:
        track = self._tracks[name]
        ended = {
            each.job: (other.state.ended_due, other.state.ended_status or RunStatus.MISSED)
            for each in track.job.after
            if (other := self._tracks.get(each.job)) is not None
        }
        if name in self._new:  # what ended before there was the job is not what it waits for
            self._new.discard(name)
            track.state.used = {job: due for job, (due, _) in ended.items()}
        before = track.running
        cursor, opened = track.state.cursor, len(track.state.open)
        step = track.on_clock(now, ended, self._most_running - self._running)
        self._running += track.running - before
        if step.records or step.actions or track.state.cursor != cursor or len(track.state.open) != opened:
            self._settle(track, step, now, changes)
        waits = any(run.status is not RunStatus.RUNNING and run.not_before <= now for run in track.state.open)
        if waits and self._running >= self._most_running:
            self._held_back.add(name)
        self._look_at(name, track.next_look(now))

    def _settle(self, track: JobTrack, step: Changes, now: int, changes: Changes) -> None:
        """Note what has changed, and look at who waits for it."""
        self._touched.add(track.job.name)
        changes.add(step)
        if any(record.status is not RunStatus.MISSED for record in step.records):
            self.look_again(self._dependents.get(track.job.name, ()), now)
        self._let_in(now)

    def _let_in(self, now: int) -> None:
        """Look at who found no room, where there is some."""
        if self._running < self._most_running:
            for name in self._held_back:
                self._look_at(name, now)
            self._held_back.clear()

    def allow(self, most_running: int, now: int) -> None:
        """Other runs at once from now on; with fewer, what is under way goes on."""
        self._most_running = most_running
        self._let_in(now)

    # -- what comes from outside -------------------------------------------------------------------------------------

    def _changed(self, name: str, change: Callable[[JobTrack], Changes], now: int) -> Changes:
        track = self._tracks.get(name)
        changes = Changes()
        if track is not None:
            before = track.running
            step = change(track)
            self._running += track.running - before
            self._settle(track, step, now, changes)
            self._look_at(name, now)
        return changes

    def on_outcome(self, name: str, key: str, outcome: Outcome, now: int) -> Changes:
        """What became of an attempt."""
        return self._changed(name, lambda track: track.on_outcome(key, outcome, now), now)

    def run_now(self, name: str, due: int, now: int, actor: str, asked: int) -> Changes:
        """One run more, due then or right after one that is."""
        return self._changed(name, lambda track: track.run_now(due, now, actor, asked), now)

    def on_claim(self, name: str, key: str, now: int) -> None:
        """Some instance has begun an attempt."""
        if (track := self._tracks.get(name)) is not None:
            track.on_claim(key, now)
            self._look_at(name, track.next_look(now))

    def cancel(self, name: str, due: int, now: int, reason: str, asked: int = 0) -> Changes:
        """End the run that was due then, and was asked for by that request if one is named."""
        return self._changed(name, lambda track: track.cancel(due, now, reason, asked), now)

    def backfill(self, name: str, first: int, last: int, now: int, actor: str, asked: int) -> Changes:
        """Runs for the due times of a span."""
        return self._changed(name, lambda track: track.backfill(first, last, now, actor, asked), now)

    def asked(self, name: str, request: int) -> None:
        """A request is dealt with: the next leader does not do so again."""
        track = self._tracks.get(name)
        if track is not None and track.state.asked < request:
            track.state.asked = request
            self._touched.add(name)

    def actions_again(self) -> list[Action]:
        """For a new leader: what the one before may not have done any more."""
        return [action for track in self._tracks.values() for action in track.actions_again()]


__all__ = ["Planner"]
