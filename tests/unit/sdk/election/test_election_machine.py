"""Elections under every fault in any order: never two leaders of one epoch, and one leader when all faults are over."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from marketprism_sdk.election import Election, LeaseAcquired
from marketprism_sdk.errors import DeadlineExceeded, Fenced
from tests.unit.sdk.election.crew import SETTINGS, Line, Stage

KEY = "gateway.default"
NAMES = ("a", "b", "c")
NAME = st.sampled_from(NAMES)


class Candidate:
    """An election and how its activation goes; `fences` is what the stream knows of epochs."""

    def __init__(self, stage: Stage, name: str, fences: list[tuple[int, str]]) -> None:
        self.line = Line(name, stage.kv, stage.clock, lambda *_: None)
        self.name = name
        self.failures: list[Exception] = []
        self._fences = fences
        self.acquired: list[int] = []
        self.election = Election(
            self.line, KEY, name, settings=SETTINGS, clock=self.line, on_acquired=self._lead, on_event=self._heard
        )
        self.task = stage.begin(self.election.run)

    async def _lead(self, epoch: int) -> None:
        if self.failures:
            raise self.failures.pop()
        highest, holder = max(self._fences, default=(0, ""))
        if (highest, holder) > (epoch, self.name) or (highest == epoch and holder != self.name):
            raise Fenced(f"expected a fence below {epoch}, was {highest}", highest)
        self._fences.append((epoch, self.name))

    def _heard(self, event: object) -> None:
        if isinstance(event, LeaseAcquired):
            self.acquired.append(event.epoch)


class Elections(RuleBasedStateMachine):
    """Three candidates that may come, go, freeze, be cut off, fail and lose their bucket."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.fences: list[tuple[int, str]] = []
        self.there: dict[str, Candidate] = {}
        self._start("a")

    def _start(self, name: str) -> None:
        self.there[name] = Candidate(self.stage, name, self.fences)

    @rule(name=NAME)
    def start(self, name: str) -> None:
        if name not in self.there:
            self._start(name)

    @rule(name=NAME)
    def kill(self, name: str) -> None:
        if (candidate := self.there.pop(name, None)) is not None:
            candidate.line.cut = True
            candidate.line.thaw()
            candidate.task.cancel()

    @rule(name=NAME)
    def release(self, name: str) -> None:
        if name in self.there and not self.there[name].line.frozen:
            self.stage.begin(self.there.pop(name).election.release)

    @precondition(lambda self: self.there)
    @rule(data=st.data(), what=st.sampled_from(("freeze", "thaw", "away", "back", "deaf", "lose", "refuse", "fence")))
    def strike(self, data: st.DataObject, what: str) -> None:
        candidate = self.there[data.draw(st.sampled_from(sorted(self.there)))]
        line = candidate.line
        if what == "freeze":
            line.freeze()
        elif what == "thaw":
            line.thaw()
        elif what in ("away", "back"):
            line.away = what == "away"
        elif what == "deaf":
            line.deaf = True
        elif what == "lose":
            line.lose += 2
        elif what == "refuse":
            candidate.election.surrender("its write was refused")
        else:
            epoch = max(self.fences, default=(0, ""))[0] + 7
            self.fences.append((epoch, "somebody"))

    @precondition(lambda self: self.there)
    @rule(data=st.data(), error=st.sampled_from((DeadlineExceeded("slow"), ValueError("bad"), Fenced("late", 0))))
    def fail_activation(self, data: st.DataObject, error: Exception) -> None:
        self.there[data.draw(st.sampled_from(sorted(self.there)))].failures.append(error)

    @rule()
    def spoil(self) -> None:
        self.stage.kv._write(KEY, b"\xc1 no record")

    @rule()
    def make_bucket_anew(self) -> None:
        self.stage.make_bucket_anew()

    @rule(seconds=st.sampled_from((0.1, 0.6, 2.5)))
    def wait(self, seconds: float) -> None:
        self.stage.pass_s(seconds)

    def teardown(self) -> None:
        try:
            if not self.there:
                self._start("a")
            for candidate in self.there.values():
                candidate.line.heal()
                candidate.failures.clear()
            for _ in range(15):
                self.stage.pass_s(2.0)
            leaders = [c for c in self.there.values() if c.election.is_leader()]
            assert [c.election.is_active() for c in leaders] == [True], "expected one leader that works"
            assert {c.election.leader() for c in self.there.values()} == {leaders[0].name}
            under = {*self.fences}
            assert len({epoch for epoch, _ in under}) == len(under), "expected one holder of each epoch"
        finally:
            self.stage.close()


TestElections = Elections.TestCase
TestElections.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
