"""What the autoscalers of `deploy/kubernetes` do with a lag: the algorithm of Kubernetes over their own specifications."""

from __future__ import annotations

import math
import random
import re
from itertools import pairwise
from typing import Any

import pytest

from marketprism_adapters.nats.stream_layout import StreamSettings
from tests.support.autoscaling import Autoscaler, Second, scale_stage
from tests.support.kubernetes import ROOT, name_of, of_kind, pod_of, workloads

LAG = "marketprism_stage_lag_seconds"
STAGES = ("validator", "aggregator")
_SIZING = (ROOT / "docs/sizing.md").read_text(encoding="utf-8")


def _speed(row: str) -> float:
    """Ticks a second of one core, of the microseconds that were measured and stand in docs/sizing.md."""
    (microseconds,) = re.findall(row, _SIZING)
    return 1e6 / float(microseconds)


COMPILED = _speed(r"\| validator, compiled core \(pure: \d+\) \| (\d+) \|")
PURE = _speed(r"\| validator, compiled core \(pure: (\d+)\) \|")
AGGREGATOR = _speed(r"\| aggregator \| (\d+) \|")
# (second, lag of the validator in seconds) as a monitor told it of `marketprism up --source sim --speed 60` whose only
# validator was stopped for a minute from second 20 on.
RECORDED = (
    (0, 0.03),
    (3, 0.02),
    (6, 0.03),
    (9, 0.01),
    (12, 0.02),
    (15, 0.02),
    (18, 0.02),
    (22, 0.00),
    (24, 2.20),
    (28, 5.22),
    (31, 8.27),
    (34, 11.31),
    (37, 14.37),
    (40, 17.41),
    (43, 20.47),
    (46, 23.52),
    (49, 26.58),
    (52, 29.65),
    (56, 32.69),
    (59, 35.76),
    (62, 38.82),
    (65, 41.85),
    (68, 44.89),
    (71, 47.94),
    (74, 50.99),
    (77, 54.01),
    (80, 57.10),
    (83, 60.15),
    (86, 52.65),
    (90, 39.42),
    (93, 12.93),
    (96, 0.01),
    (99, 0.01),
    (102, 0.02),
    (105, 0.02),
    (108, 0.08),
    (111, 0.01),
    (114, 0.04),
    (118, 0.00),
    (121, 0.00),
    (124, 0.01),
    (127, 0.02),
    (130, 0.04),
    (133, 0.00),
    (136, 0.03),
    (140, 0.03),
    (143, 0.05),
    (146, 0.00),
    (149, 0.02),
    (152, 0.02),
    (155, 0.01),
    (158, 0.00),
    (161, 0.03),
    (164, 0.05),
    (168, 0.02),
    (171, 0.03),
    (174, 0.01),
    (177, 0.01),
    (180, 0.05),
    (183, 0.03),
    (186, 0.04),
    (190, 0.01),
    (193, 0.04),
    (196, 0.02),
    (200, 0.03),
)


def _spec(name: str) -> dict[str, Any]:
    (found,) = (each for each in of_kind("production", "HorizontalPodAutoscaler") if name_of(each) == name)
    spec: dict[str, Any] = found["spec"]
    return spec


def _turns(replicas: list[int]) -> int:
    """How often a series that went up goes down, or the other way round."""
    steps = [(after > before) - (after < before) for before, after in pairwise(replicas) if after != before]
    return sum(one != other for one, other in pairwise(steps))


def _drained_at(seconds: list[Second], second_s: float = 1.0) -> float:
    """When nothing waited any more that had waited longer than a second of arrivals; infinite where it never came to that."""
    return next((each.at * second_s for each in seconds if each.backlog < COMPILED), math.inf)


@pytest.mark.parametrize("per_pod", [COMPILED, PURE])
@pytest.mark.parametrize("arriving", [5_000, 40_000, 50_000])
def test_a_million_that_wait_are_worked_off_in_two_minutes(per_pod: int, arriving: int) -> None:
    seconds = scale_stage(
        _spec("validator"), lag=LAG, arriving=lambda _: arriving, per_pod=per_pod, seconds=1_200, backlog=1e6
    )
    assert _drained_at(seconds) <= 120
    assert _turns([each.replicas for each in seconds]) <= 1


def test_what_two_could_not_work_off_is_why_there_are_more() -> None:
    """75 000 a second are what one stream takes; two validators take hardly more, if so many, and a million wait."""
    options: dict[str, Any] = {"lag": LAG, "arriving": lambda _: 75_000, "per_pod": COMPILED, "backlog": 1e6}
    alone = scale_stage(_spec("validator"), seconds=1_200, scaled=False, **options)
    scaled = scale_stage(_spec("validator"), seconds=1_200, **options)
    assert _drained_at(alone) > 120
    assert _drained_at(scaled) <= 120
    assert scaled[-1].replicas >= 75_000 / COMPILED / 0.7


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_stood_still_for_a_minute_makes_one_hill(name: str) -> None:
    """Up with the lag, down one by one when it has long been over, and no second time."""
    autoscaler, replicas, seen = Autoscaler(_spec(name)), [2], dict(RECORDED)
    told = [max((second for second in seen if second <= at), default=0) for at in range(0, 198, 15)]
    lags = [seen[second] for second in told] + [0.02] * 100
    for step, lag in enumerate(lags):
        replicas.append(autoscaler.step(15 * step, replicas[-1], {LAG: lag, "cpu": 5.0}))
    assert max(replicas) == 8
    assert _turns(replicas) == 1
    assert replicas[-1] == 2
    assert all(before - after <= 1 for before, after in pairwise(replicas))


@pytest.mark.parametrize("name", [*STAGES, "query", "api"])
@pytest.mark.parametrize("seed", range(5))
def test_a_load_that_trembles_by_a_fifth_moves_nothing_to_and_fro(name: str, seed: int) -> None:
    """An hour of load that the target fits, each look a fifth off at most."""
    chance, autoscaler, replicas = random.Random(seed), Autoscaler(_spec(name)), [4]
    for step in range(240):
        cpu = 70 * 4 * 0.9 / replicas[-1] * chance.uniform(0.8, 1.2)
        replicas.append(autoscaler.step(15 * step, replicas[-1], {LAG: chance.uniform(0, 0.5), "cpu": cpu}))
    assert _turns(replicas) <= 1
    assert set(replicas) <= {4, 5}


@pytest.mark.parametrize("name", STAGES)
def test_a_lag_that_nobody_tells_takes_nobody_away(name: str) -> None:
    """Without the monitor, Prometheus or the adapter the processor time alone decides, and only upwards."""
    autoscaler, replicas = Autoscaler(_spec(name)), [4]
    for step in range(60):
        replicas.append(autoscaler.step(15 * step, replicas[-1], {LAG: None, "cpu": 1.0}))
    assert set(replicas) == {4}
    assert autoscaler.step(900, 4, {LAG: None, "cpu": 140.0}) == 8


@pytest.mark.parametrize("name", STAGES)
def test_a_lag_that_more_pods_do_not_mend_has_its_bound(name: str) -> None:
    autoscaler, replicas = Autoscaler(_spec(name)), [2]
    for step in range(40):
        replicas.append(autoscaler.step(15 * step, replicas[-1], {LAG: 15.0 * step, "cpu": 0.0}))
    assert replicas[-1] == _spec(name)["maxReplicas"] <= StreamSettings().partitions


def test_steps_are_what_the_public_formulas_say() -> None:
    """ceil(replicas x value / target), a tenth of tolerance, twice as many in 15 s at most, a window of five minutes."""
    spec = _spec("validator")
    assert Autoscaler(spec).step(0, 4, {LAG: 5.4, "cpu": 76.0}) == 4  # within the tolerance
    assert Autoscaler(spec).step(0, 4, {LAG: 6.0, "cpu": 0.0}) == 5  # ceil(4 x 6 / 5)
    assert Autoscaler(spec).step(0, 4, {LAG: 0.0, "cpu": 105.0}) == 6  # ceil(4 x 105 / 70)
    assert Autoscaler(spec).step(0, 2, {LAG: 60.0, "cpu": 0.0}) == 4  # 24 of them, twice as many at most
    falling = Autoscaler(spec)
    assert falling.step(0, 4, {LAG: 5.0, "cpu": 0.0}) == 4
    assert falling.step(300, 4, {LAG: 0.0, "cpu": 0.0}) == 4
    assert falling.step(315, 4, {LAG: 0.0, "cpu": 0.0}) == 3
    assert falling.step(330, 3, {LAG: 0.0, "cpu": 0.0}) == 3  # one a minute


def test_what_is_scaled_by_its_processor_asks_for_the_core_that_the_speed_is_of() -> None:
    scaled = {name_of(each) for each in of_kind("production", "HorizontalPodAutoscaler")}
    assert scaled == {*STAGES, "query", "api"}
    for workload in workloads("production"):
        if name_of(workload) in scaled:
            assert "replicas" not in workload["spec"], "each apply would set them back"
            assert pod_of(workload)["containers"][0]["resources"]["requests"]["cpu"] == "1"


def test_an_aggregator_keeps_up_with_what_the_stream_takes() -> None:
    seconds = scale_stage(
        _spec("aggregator"), lag=LAG, arriving=lambda _: 75_000, per_pod=AGGREGATOR, seconds=1_200, backlog=1e6
    )
    assert _drained_at(seconds) <= 120
    assert _turns([each.replicas for each in seconds]) <= 1
