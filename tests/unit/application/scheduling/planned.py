"""Jobs planned without a clock, a broker or a service: what is stored is in lists, what is given is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from marketprism_application.contracts.schedule_records import JobState, RunRecord
from marketprism_application.scheduling.planner import Planner
from marketprism_application.scheduling.run_changes import Begin, Changes, GiveUp, Outcome
from marketprism_domain.scheduling.due_times import NeverDue, PeriodicTimes
from marketprism_domain.scheduling.jobs import Dependency, Job
from marketprism_domain.scheduling.runs import RunStatus
from marketprism_domain.scheduling.triggers import EveryTrigger, parse_trigger
from marketprism_domain.values import NANOS_PER_SECOND

SECOND = NANOS_PER_SECOND
MINUTE = 60 * SECOND


def job_of(name: str = "a", trigger: str = "every 1m", *after: str, **more: Any) -> Job:
    return Job(name, parse_trigger(trigger), "storage.tidy", after=tuple(map(Dependency.parse, after)), **more)


class Planned:
    """A leader, its log and the services that do what it says; `lead` begins another leader on the same log."""

    def __init__(self, *jobs: Job, now: int = 0, most_running: int = 64) -> None:
        self.now = now
        self.jobs = list(jobs)
        self.most_running = most_running
        self.states: dict[str, bytes] = {}
        self.records: list[RunRecord] = []
        self.given: Counter[str] = Counter()  # keys of commands, as often as they were given
        self.given_up: list[GiveUp] = []
        self.begun: list[str] = []  # keys in the order in which the services began them
        self.epoch = 0
        self.is_there = True  # a service that begins what it is given
        self.planner: Planner
        self.lead()

    def lead(self) -> None:
        self.epoch += 1
        self.planner = Planner(self.epoch, most_running=self.most_running, chance=lambda: 1.0)
        for job in self.jobs:
            self.define(job)
        self._do(self.planner.actions_again())

    def define(self, job: Job, *, paused: bool = False) -> None:
        stored = self.states.get(job.name)
        state = None if stored is None else msgspec.msgpack.decode(stored, type=JobState)
        is_periodic = isinstance(job.trigger, EveryTrigger)
        times = PeriodicTimes(job.trigger.period_ns, job.trigger.offset_ns) if is_periodic else NeverDue()  # type: ignore[union-attr]
        self.take(self.planner.put(job, times, state, self.now, paused=paused))

    def take(self, changes: Changes, *, dies: str = "") -> None:
        """Store, then do; a leader that `dies` before or after it has stored does nothing more."""
        if dies == "before":
            return
        for state in self.planner.touched():
            self.states[state.job] = msgspec.msgpack.encode(state)
        self.records += changes.records
        if dies != "after":
            self._do(changes.actions)

    def _do(self, actions: list[Any]) -> None:
        for action in actions:
            if isinstance(action, Begin):
                self.given[action.key] += 1
                if self.given[action.key] == 1 and self.is_there:
                    self.begun.append(action.key)
                    self.planner.on_claim(action.run.job, action.key, self.now)
            else:
                self.given_up.append(action)

    def until(self, now: int, *, dies: str = "") -> None:
        """Look whenever there is something to look at, up to then."""
        while (look := self.planner.next_look()) is not None and look <= now:
            self.now = max(self.now, look)
            self.take(self.planner.on_clock(self.now), dies=dies)
            if dies:
                return
        self.now = now

    def jump(self, now: int) -> None:
        """Nobody looked until then."""
        self.now = now
        self.until(now)

    def end(self, key: str, status: RunStatus = RunStatus.SUCCEEDED, **more: Any) -> None:
        name = key.partition(".")[0]
        self.take(self.planner.on_outcome(name, key, Outcome(status, **more), self.now))
        self.until(self.now)

    def told(self, name: str = "a") -> list[tuple[int, str]]:
        """What the history says: due time in seconds, and status."""
        return [(each.due // SECOND, each.status.value) for each in self.records if each.job == name]
