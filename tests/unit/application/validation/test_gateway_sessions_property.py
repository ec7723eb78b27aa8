"""Sessions of gateways under any order of faults: every tick is counted once, and what comes is taken in the end."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.contracts.packed import PACKED_VERSION, Packed
from marketprism_application.validation.gateway_sessions import HOLD_NS
from tests.unit.application.validation.test_gateway_sessions import SECOND, START, message, validator


class Sessions(RuleBasedStateMachine):
    """Gateways that begin sessions, lose messages, send again or do not, and a log that is cut; a validator that is
    restarted whenever one likes. Every tick of the log is counted once."""

    calendar = chinese_calendar_of_markets()

    @initialize()
    def begin(self) -> None:
        self.shard = validator(self.calendar, keep=3, most=6)
        self.written: dict[str, int] = {"a": 0, "b": 0}
        self.place = {"a": 0, "b": 0}
        self.session = {"a": "a-0", "b": "b-0"}
        self.chain = {"a": 0, "b": 0}
        self.runs = 0
        self.now = START
        self.accepted: dict[str, list[int]] = {"a": [], "b": []}
        self.named: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}
        self.unsent: dict[str, int | None] = {"a": None, "b": None}  # the first place that a session lost
        self.seq = 0

    def write(self, source: str, *, reaches: bool = True, cut: bool = False) -> int:
        """One message with the next place; how many ticks of it were accepted."""
        self.now += SECOND // 10
        self.seq += 1
        place, chain = self.place[source], self.chain[source]
        self.place[source] += 1
        self.chain[source] += 1
        symbol = {"a": "rb2505", "b": "hc2505"}[source]
        made = message(place, session=self.session[source], chain=chain, source=source, symbol=symbol, stamp=self.now)
        made = made._replace(ticks=tuple(t._replace(ts_event=self.now, ts_recv=self.now) for t in made.ticks))
        if not reaches and self.unsent[source] is None:
            self.unsent[source] = place
        if not reaches or cut:
            return 0
        self.written[source] += 1
        out = self.shard.process(made, self.seq, 0)
        self.accepted[source] += [t.source_seq for t in out.ticks]
        self.named[source] += [(gap.ts_from, gap.ts_to) for _, gap in out.gaps if gap.cause == "truncated"]
        return len(out.ticks)

    sources = st.sampled_from(["a", "b"])

    @rule(source=sources, count=st.integers(1, 20))
    def goes_on(self, source: str, count: int) -> None:
        for _ in range(count):
            self.write(source)

    @rule(source=sources, back=st.integers(0, 5))
    def new_session(self, source: str, back: int) -> None:
        """From a place a little before: what it lost, and some of what it sent already, it sends again."""
        self.runs += 1
        self.session[source], self.chain[source] = f"{source}-{self.runs}", 0
        lost, self.unsent[source] = self.unsent[source], None
        begins = self.place[source] if lost is None else lost
        self.place[source] = max(0, begins - back)

    @rule(source=sources)
    def loses_one(self, source: str) -> None:
        self.write(source, reaches=False)

    @rule(source=sources, count=st.integers(1, 20))
    def log_is_cut(self, source: str, count: int) -> None:
        for _ in range(count):
            self.write(source, cut=True)
        self.shard.truncated()

    @rule(count=st.integers(1, 10))
    def another_gateway_flaps(self, count: int) -> None:
        for _ in range(count):
            self.runs += 1
            self.seq += 1
            other = Packed(PACKED_VERSION, "c", 1, self.now, (), session=f"c-{self.runs}", chain=0)
            self.shard.process(other, self.seq, 0)

    @rule(hours=st.integers(0, 2))
    def time_passes(self, hours: int) -> None:
        self.now += hours * 300 * SECOND

    @rule()
    def restarts(self) -> None:
        state = self.shard.snapshot()
        self.shard = validator(self.calendar, keep=3, most=6)
        self.shard.restore(state)

    @invariant()
    def every_tick_is_counted_once(self) -> None:
        for source, written in self.written.items():
            counts = self.shard.stats().get(source)
            if counts is None:
                assert not written
                continue
            known = sum(counts["rejected"].values()) + counts["redelivered"] + counts["out_of_chain"]
            assert counts["accepted"] + known == written
            assert counts["accepted"] == len(self.accepted[source]) == len(set(self.accepted[source]))

    @invariant()
    def the_table_is_bounded(self) -> None:
        assert len(self.shard.memory.sessions) <= 6

    def teardown(self) -> None:
        """After the last fault: everything that comes is taken within the bound, and what is missing is named."""
        if not hasattr(self, "shard"):
            return
        for source in ("a", "b"):
            for _ in range(HOLD_NS // (SECOND // 10) + 2):
                self.write(source)
            assert [self.write(source) for _ in range(5)] == [1] * 5
            accepted = self.accepted[source]
            jumps = sum(1 for one, two in itertools.pairwise(accepted) if two > one + 1)
            assert len(self.named[source]) >= jumps - (accepted[0] > 0)
        self.every_tick_is_counted_once()


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
