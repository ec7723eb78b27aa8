"""A group of members over one bucket as a state machine: what befalls them, and how they must be thirty seconds later."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from marketprism_sdk.errors import DeadlineExceeded, Fenced, SdkError
from marketprism_sdk.partitions import OwnerRecord, SessionRecord, Shards
from tests.unit.sdk.election.crew import SETTINGS, Line, Stage
from tests.unit.sdk.partitions.shards_model import IDLE, TAKING, WORKING

COUNT = 6
NAMES = ("a", "b", "c")
NAME = st.sampled_from(NAMES)
ERRORS = (DeadlineExceeded("slow"), ValueError("not understood"), Fenced("a later epoch", 0))
Checkpoints = dict[int, tuple[int, str]]
Told = Callable[[str, int, str], None]  # member, partition, what it does with it


class Member:
    """Shards, and the stage that works for them: `parts` are what it really works on, fenced by checkpoints."""

    def __init__(self, stage: Stage, name: str, count: int, checkpoints: Checkpoints, line: Line, told: Told) -> None:
        self.name = name
        self.line = line
        self.failures: list[Exception] = []
        self.parts: dict[int, int] = {}
        self.deaf_to_end = 0
        self._checkpoints = checkpoints
        self._told = told
        self.shards = Shards(
            line,
            name,
            count=count,
            on_own=self._own,
            on_lose=self._lose,
            working=lambda: self.parts,
            settings=SETTINGS,
            clock=line,
        )
        self.task = stage.begin(self.shards.run)

    async def _own(self, partition: int, epoch: int) -> None:
        self._told(self.name, partition, TAKING)
        await asyncio.sleep(0)
        try:
            if self.failures:
                raise self.failures.pop()
            highest, holder = self._checkpoints.get(partition, (0, ""))
            if highest > epoch or (highest == epoch and holder != self.name):
                raise Fenced(f"expected a checkpoint below {epoch}, was {highest} of {holder}", highest)
        except Exception:
            self._told(self.name, partition, "")
            raise
        self._checkpoints[partition] = (epoch, self.name)
        self.parts[partition] = epoch
        self._told(self.name, partition, WORKING)

    async def _lose(self, partition: int) -> None:
        self._told(self.name, partition, "")
        await asyncio.sleep(0)
        if self.deaf_to_end:
            self.deaf_to_end -= 1
            raise DeadlineExceeded("the last commit is on its way")
        self.parts.pop(partition, None)

    def refused(self, partition: int) -> None:
        """Its stage was refused and says so."""
        if self.parts.pop(partition, None) is not None and partition in self.shards.owned:
            self._told(self.name, partition, "")
            self.shards.lost(partition)

    def idle(self, partition: int) -> None:
        """Its stage has lost the partition and says nothing."""
        if self.parts.pop(partition, None) is not None:
            self._told(self.name, partition, IDLE)


class Group(RuleBasedStateMachine):
    """Members on one bucket, with what befalls them; what is common to both machines."""

    count = COUNT

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.checkpoints: Checkpoints = {}
        self.there: dict[str, Member] = {}
        self._join("a")

    def told(self, member: str, partition: int, what: str) -> None:
        """What a member does with a partition."""

    def written(self, member: str, key: str, heard: bool) -> None:
        """A write of a member was taken, and whether it hears of it."""

    def _join(self, name: str) -> None:
        line = Line(name, self.stage.kv, self.stage.clock, self.written)
        self.there[name] = Member(self.stage, name, self.count, self.checkpoints, line, self.told)

    def _any(self, data: st.DataObject) -> Member:
        return self.there[data.draw(st.sampled_from(sorted(self.there)))]

    @rule(name=NAME)
    def join(self, name: str) -> None:
        if name not in self.there:
            self._join(name)
            self.stage.pass_s(0)

    @rule(name=NAME)
    def kill(self, name: str) -> None:
        if (member := self.there.pop(name, None)) is not None:
            member.line.cut = True
            member.line.thaw()
            member.task.cancel()
            self.killed(name)
            self.stage.pass_s(0)

    def killed(self, name: str) -> None:
        """A process is gone."""

    @rule(name=NAME)
    def leave(self, name: str) -> None:
        if name in self.there and not self.there[name].line.frozen:
            self.stage.begin(functools.partial(self._leaves, self.there.pop(name)))
            self.stage.pass_s(0.01)

    async def _leaves(self, member: Member) -> None:
        with contextlib.suppress(SdkError):
            await member.shards.leave()
        member.line.cut = True  # the process ends, in order or not
        member.task.cancel()
        self.killed(member.name)

    @rule(name=NAME)
    def declare_dead(self, name: str) -> None:
        entry = self.stage.run(self.stage.kv.get(f"sess.{name}"))
        if entry is not None and name in self.there and len(self.there) > 1:
            self.stage.kv._write(f"sess.{name}", msgspec.msgpack.encode(SessionRecord("dead")))
            self.written("", f"sess.{name}", True)

    @precondition(lambda self: self.there)
    @rule(data=st.data(), answers=st.integers(1, 3))
    def lose_answers(self, data: st.DataObject, answers: int) -> None:
        self._any(data).line.lose += answers

    @precondition(lambda self: self.there)
    @rule(data=st.data(), error=st.sampled_from(ERRORS), times=st.integers(1, 4))
    def fail_to_take_over(self, data: st.DataObject, error: Exception, times: int) -> None:
        self._any(data).failures += [error] * times

    @precondition(lambda self: self.there)
    @rule(data=st.data(), name=NAME, error=st.sampled_from(ERRORS))
    def fail_to_take_over_while_another_joins(self, data: st.DataObject, name: str, error: Exception) -> None:
        member = self._any(data)
        member.failures += [error] * 2 * self.count
        for partition in sorted(member.parts):
            member.refused(partition)
        self.stage.pass_s(0.3)
        self.join(name)
        self.stage.pass_s(0.5)
        member.failures.clear()

    @precondition(lambda self: self.there)
    @rule(data=st.data(), partition=st.integers(0, COUNT - 1), says_so=st.booleans())
    def stop_working(self, data: st.DataObject, partition: int, says_so: bool) -> None:
        member = self._any(data)
        (member.refused if says_so else member.idle)(partition % self.count)

    @rule(seconds=st.sampled_from((0.05, 0.3, 1.2, 4.0)))
    def wait(self, seconds: float) -> None:
        self.stage.pass_s(seconds)

    def heal(self) -> None:
        """No fault from now on."""
        if not self.there:
            self._join("a")
        for member in self.there.values():
            member.line.heal()
            member.failures.clear()
            member.deaf_to_end = 0

    def teardown(self) -> None:
        try:
            self.heal()
            for _ in range(60):
                self.stage.pass_s(0.5)
            self.judge()
        finally:
            self.stage.close()

    def judge(self) -> None:
        """Thirty seconds after the last fault."""
        by = {p: [m.name for m in self.there.values() if p in m.parts] for p in range(self.count)}
        assert all(len(names) == 1 for names in by.values()), f"expected one worker of each partition, was {by}"
        for partition, (name,) in by.items():
            member = self.there[name]
            entry = self.stage.run(self.stage.kv.get(f"own.{partition}"))
            record = msgspec.msgpack.decode(entry.value, type=OwnerRecord)
            assert record == OwnerRecord(name, member.parts[partition])
            assert member.shards.owned[partition] == record.epoch == self.checkpoints[partition][0]
        assert not any(member.shards.disagreements() for member in self.there.values())
        assert {member.shards.members() for member in self.there.values()} == {frozenset(self.there)}
