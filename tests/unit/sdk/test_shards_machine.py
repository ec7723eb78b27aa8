"""Shards under every fault in any order: when all faults are over, each partition is worked on by one live member.

The second machine keeps to the faults that the model knows, and compares each step of the code with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from marketprism_sdk.errors import DeadlineExceeded, Fenced
from marketprism_sdk.membership import SessionRecord
from marketprism_sdk.owners import OwnerRecord
from marketprism_sdk.shards import Shards
from tests.unit.sdk.crew import SETTINGS, Line, Stage
from tests.unit.sdk.shards_model import (
    ASKED, DEAD, DRAIN, GONE, IDLE, LIVE, OUT, TAKING, WORKING, Model, Own, Record, State,
)  # fmt: skip

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
            line, name, count=count, on_own=self._own, on_lose=self._lose, working=lambda: self.parts,
            settings=SETTINGS, clock=line,
        )  # fmt: skip
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
            member = self.there.pop(name)
            self.stage.begin(member.shards.leave)
            self.stage.pass_s(0.01)

    @rule(name=NAME)
    def declare_dead(self, name: str) -> None:
        entry = self.stage.run(self.stage.kv.get(f"sess.{name}"))
        if entry is not None and name in self.there and len(self.there) > 1:
            self.stage.kv._write(f"sess.{name}", msgspec.msgpack.encode(SessionRecord("dead")))
            self.written(name, f"sess.{name}", True)

    @precondition(lambda self: self.there)
    @rule(data=st.data(), answers=st.integers(1, 3))
    def lose_answers(self, data: st.DataObject, answers: int) -> None:
        self._any(data).line.lose += answers

    @precondition(lambda self: self.there)
    @rule(data=st.data(), error=st.sampled_from(ERRORS), times=st.integers(1, 4))
    def fail_to_take_over(self, data: st.DataObject, error: Exception, times: int) -> None:
        self._any(data).failures += [error] * times

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


class AnyFault(Group):
    """Everything that can happen to members, to their lines and to their bucket."""

    @precondition(lambda self: self.there)
    @rule(data=st.data(), what=st.sampled_from(("freeze", "thaw", "away", "back", "deaf", "hold on")))
    def strike(self, data: st.DataObject, what: str) -> None:
        member = self._any(data)
        if what == "freeze":
            member.line.freeze()
        elif what == "thaw":
            member.line.thaw()
        elif what in ("away", "back"):
            member.line.away = what == "away"
        elif what == "deaf":
            member.line.deaf = True
        else:
            member.deaf_to_end += 2

    @rule(partition=st.integers(0, COUNT - 1))
    def spoil_a_record(self, partition: int) -> None:
        self.stage.kv._write(f"own.{partition}", b"\xc1 no record")

    @rule(name=NAME)
    def spoil_a_session(self, name: str) -> None:
        self.stage.kv._write(f"sess.{name}", b"\xc1 no session")

    @rule()
    def make_bucket_anew(self) -> None:
        self.stage.make_bucket_anew()


class AsModelled(Group):
    """One partition, the faults of the model: what the code does must be what the model allows, and no less."""

    count = 1

    def __init__(self) -> None:
        self.model = Model("abc", {}, partition=0)
        self.phase: dict[str, str] = {}
        self.joined: set[str] = set()
        self.path: list[State] = []
        super().__init__()
        self.path = [self.state()]

    @initialize()
    def begin(self) -> None:
        self.stage.pass_s(0.01)

    def told(self, member: str, partition: int, what: str) -> None:
        self.phase[member] = what
        self.note()

    def written(self, member: str, key: str, heard: bool) -> None:
        if key.startswith("sess."):
            there = self.stage.kv._entries[key]
            (self.joined.discard if there.deleted else self.joined.add)(key.removeprefix("sess."))
        elif self._record().held:
            self.phase[member] = ASKED if heard else ""
        self.note()

    def killed(self, name: str) -> None:
        self.phase[name] = ""
        self.joined.discard(name)
        self.note()

    def _record(self) -> Record:
        entry = self.stage.kv._entries.get("own.0")
        if entry is None:
            return Record(None, False, 0)
        record = msgspec.msgpack.decode(entry.value, type=OwnerRecord)
        return Record(record.holder, record.state == "held", 1)

    def _session(self, name: str) -> str:
        entry = self.stage.kv._entries.get(f"sess.{name}")
        said = OUT if entry is None or entry.deleted else msgspec.msgpack.decode(entry.value, type=SessionRecord).state
        if name not in self.joined:
            return GONE if said in (LIVE, DRAIN) else OUT
        return said if said in (LIVE, DRAIN) else DEAD

    def state(self) -> State:
        """The group as the model sees it: an epoch is that of the record (1) or an older one (0)."""
        record = self._record()
        own = []
        for name in NAMES:
            phase = self.phase.get(name, "")
            own.append(Own(phase, int(record[:2] == (name, True))) if phase else None)
        sessions = tuple(self._session(name) for name in NAMES)
        faults = ("answer", "dead", "idle", "join", "kill", "leave", "refused", "take-over")
        budget = tuple((fault, 9) for fault in faults)
        return State(sessions, tuple(own), (True,) * len(NAMES), record, budget)

    def note(self) -> None:
        """Compare the step from the last state to this one."""
        if not self.path:
            return
        before, after = self.path[-1], self.state()
        if _seen(after) != _seen(before):
            assert _seen(after) in _within(self.model, before, 2), f"not in the model: {before} to {after}"
            self.path.append(after)

    def judge(self) -> None:
        super().judge()
        state = self.state()
        assert not list(self.model.protocol(state))
        assert self.model.good(state)


def _seen(state: State) -> tuple[object, ...]:
    """What can be compared: views are nobody's to see, and an epoch is that of the record or an older one."""
    record = state.record
    own = tuple(o and (o.phase, (record.holder, record.held, record.epoch) == (name, True, o.epoch))
                for name, o in zip(NAMES, state.own, strict=True))  # fmt: skip
    return state.session, own, record[:2]


def _within(model: Model, state: State, steps: int) -> set[tuple[object, ...]]:
    found, edge = {_seen(state)}, [state]
    for _ in range(steps):
        edge = [after for at in edge for _, after in (*model.protocol(at), *model.faults(at))]
        found |= {_seen(after) for after in edge}
    return found


TestAnyFault = AnyFault.TestCase
TestAnyFault.settings = settings(
    max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAsModelled = AsModelled.TestCase
TestAsModelled.settings = settings(
    max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
