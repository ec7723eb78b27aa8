"""Shards under every fault in any order: when all faults are over, each partition is worked on by one live member.

The second machine keeps to the faults that the model knows, and compares each step of the code with it.
"""

from __future__ import annotations

import functools

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from marketprism_sdk.partitions import OwnerRecord, SessionRecord
from tests.unit.sdk.partitions.shards_group import COUNT, NAME, NAMES, Group
from tests.unit.sdk.partitions.shards_model import (
    ASKED,
    DEAD,
    DRAIN,
    GONE,
    LEFT,
    LIVE,
    OUT,
    Model,
    Own,
    Record,
    State,
)

MODEL = Model("abc", {})


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
        self.phase: dict[str, str] = {}
        self.joined: set[str] = set()
        self.path: list[State] = []
        self.unknown: list[str] = []
        super().__init__()
        self.path = [self.state()]

    @initialize()
    def begin(self) -> None:
        self.stage.pass_s(0.01)

    def told(self, member: str, partition: int, what: str) -> None:
        self.phase[member] = what
        self.note()

    def written(self, member: str, key: str, heard: bool) -> None:
        if key == f"sess.{member}":
            (self.joined.discard if self.stage.kv._entries[key].deleted else self.joined.add)(member)
        elif key == "own.0" and self._record().held:
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
            return {LIVE: GONE, DRAIN: LEFT}.get(said, OUT)
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
            if _seen(after) not in _within_two_steps(before):
                self.unknown.append(f"{_seen(before)} to {_seen(after)}")
            self.path.append(after)

    def judge(self) -> None:
        assert not self.unknown, f"expected steps of the model, was {self.unknown}"
        super().judge()
        state = self.state()
        assert not list(MODEL.protocol(state))
        assert MODEL.good(state)


def _seen(state: State) -> tuple[object, ...]:
    """What can be compared: views are nobody's to see, and an epoch is that of the record or an older one."""
    record = state.record
    own = tuple(
        o and (o.phase, (record.holder, record.held, record.epoch) == (name, True, o.epoch))
        for name, o in zip(NAMES, state.own, strict=True)
    )
    return state.session, own, record[:2]


@functools.cache
def _within_two_steps(state: State) -> frozenset[tuple[object, ...]]:
    found, edge = {_seen(state)}, {state}
    for _ in range(2):
        edge = {after for at in edge for _, after in (*MODEL.protocol(at), *MODEL.faults(at))}
        found |= {_seen(after) for after in edge}
    return frozenset(found)


TestAnyFault = AnyFault.TestCase
TestAnyFault.settings = settings(
    max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAsModelled = AsModelled.TestCase
TestAsModelled.settings = settings(
    max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
