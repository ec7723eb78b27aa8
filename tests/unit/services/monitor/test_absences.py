"""Who is not there any more is told by name, once a restart or a take-over would be over."""

from __future__ import annotations

from marketprism_adapters.nats.leader_watch import Leader
from marketprism_services.monitor.absences import Absences, lacks_of
from marketprism_services.settings.services import SERVICES

ALL = [row.name for row in SERVICES]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_service_that_ran_and_runs_no_more_is_told_after_eight_seconds_and_until_it_is_back() -> None:
    clock = Clock()
    absences = Absences(clock)
    assert absences.look(ALL, {}) == []
    left = [name for name in ALL if name != "query"]
    assert absences.look(left, {}) == []
    clock.now += 7.9
    assert absences.look(left, {}) == []
    clock.now += 0.1
    (problem,) = absences.look(left, {})
    assert (problem.kind, problem.stage, problem.where) == ("absent", "service", "query")
    assert problem.text == "service query: none runs, for 8 s; nobody answers what is stored"
    assert absences.look(ALL, {}) == []
    clock.now += 60
    assert absences.look(ALL, {}) == []


def test_a_service_that_never_ran_here_may_be_left_out() -> None:
    clock = Clock()
    absences = Absences(clock)
    for _ in range(3):
        assert absences.look(["gateway", "validator"], {}) == []
        clock.now += 60


def test_a_gateway_may_leave_and_a_lease_whose_holder_is_lost_is_told() -> None:
    clock = Clock()
    absences = Absences(clock)
    lost = Leader("a", 3, "lost", "leader lost: gateway.default: a is gone, its last sign 16 s ago")
    without = [name for name in ALL if name != "gateway"]
    assert absences.look(ALL, {"gateway.default": lost}) == []
    clock.now += 10
    (problem,) = absences.look(without, {"gateway.default": lost})
    assert (problem.kind, problem.stage, problem.where) == ("leaderless", "leader", "gateway.default")
    assert problem.text == "leader gateway.default: nobody leads, for 10 s; a is gone, its last sign 16 s ago"
    assert absences.look(without, {"gateway.default": Leader("b", 4, "held")}) == []


def test_what_a_pipeline_lacks_is_said_of_every_service_but_the_one_that_it_may_do_without() -> None:
    assert set(lacks_of([])) == {row.name for row in SERVICES if row.in_up} - {"gateway"}
    assert lacks_of(ALL) == {}
