"""The algorithm of the HorizontalPodAutoscaler (autoscaling/v2), from its public description, and a stage to scale.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/: every 15 s each metric gives
`ceil(replicas x value / target)`, or the present number where value and target differ by a tenth or less; the largest counts.
A metric that cannot be read is passed over, and nothing is scaled down meanwhile. Of what was recommended within the window
of the direction the smallest is taken upwards and the largest downwards; then policies bound the step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

SYNC_S = 15
TOLERANCE = 0.1


class Autoscaler:
    """Of one target, by the specification of its HorizontalPodAutoscaler."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._recommended: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()

    def step(self, now: float, replicas: int, values: Mapping[str, float | None]) -> int:
        """Replicas from now on. `values` by metric: `cpu` in percent of what is requested, others by name; None cannot be read."""
        wanted = self._stabilised(now, replicas, self._by_metrics(replicas, values))
        low, high = self._spec["minReplicas"], self._spec["maxReplicas"]
        wanted = max(low, min(high, self._bounded(now, replicas, wanted)))
        if wanted != replicas:
            self._changes.append((now, wanted - replicas))
        return wanted

    def _by_metrics(self, replicas: int, values: Mapping[str, float | None]) -> int:
        found: list[int] = []
        unread = False
        for metric in self._spec["metrics"]:
            name, target = _name_and_target(metric)
            value = values[name]
            if value is None:
                unread = True
                continue
            ratio = value / target
            found.append(replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(replicas * ratio))
        wanted = max(found, default=replicas)
        return max(wanted, replicas) if unread else wanted

    def _stabilised(self, now: float, replicas: int, wanted: int) -> int:
        self._recommended.append((now, wanted))
        up, down = (self._spec["behavior"][way]["stabilizationWindowSeconds"] for way in ("scaleUp", "scaleDown"))
        while self._recommended[0][0] < now - max(up, down):
            self._recommended.popleft()
        least = min(each for at, each in self._recommended if at >= now - up)
        most = max(each for at, each in self._recommended if at >= now - down)
        return min(max(replicas, least), most)

    def _bounded(self, now: float, replicas: int, wanted: int) -> int:
        if wanted == replicas:
            return wanted
        rising = wanted > replicas
        policies = self._spec["behavior"]["scaleUp" if rising else "scaleDown"]["policies"]
        bounds = [self._bound(now, replicas, policy, rising=rising) for policy in policies]
        return min(wanted, max(bounds)) if rising else max(wanted, min(bounds))

    def _bound(self, now: float, replicas: int, policy: Mapping[str, Any], *, rising: bool) -> int:
        """The furthest that a policy lets it go, from how many there were at the beginning of its period."""
        lately = sum(by for at, by in self._changes if at > now - policy["periodSeconds"] and (by > 0) is rising)
        before = replicas - lately
        step = policy["value"] if policy["type"] == "Pods" else before * policy["value"] / 100
        return math.ceil(before + step) if rising else math.floor(before - step)


def _name_and_target(metric: Mapping[str, Any]) -> tuple[str, float]:
    if metric["type"] == "Resource":
        return str(metric["resource"]["name"]), float(metric["resource"]["target"]["averageUtilization"])
    target = metric["external"]["target"]
    assert target["type"] == "Value", "a lag is the same however many share it"
    return str(metric["external"]["metric"]["name"]), float(target["value"])


class Second(NamedTuple):
    """A second of a stage."""

    at: int
    backlog: float
    replicas: int


def scale_stage(
    spec: Mapping[str, Any],
    *,
    lag: str,
    arriving: Callable[[int], float],
    per_pod: float,
    seconds: int,
    backlog: float = 0.0,
    scaled: bool = True,
    start_s: int = 30,
    seen_s: int = 20,
) -> list[Second]:
    """A stage of pods that take `per_pod` ticks a second each, `start_s` after they are asked for, and what its autoscaler makes
    of it. It sees what was `seen_s` ago: scraped, recorded, asked for."""
    autoscaler = Autoscaler(spec)
    asked = int(spec["minReplicas"])
    starting: list[tuple[int, int]] = []
    ready = asked
    past: deque[tuple[float, float]] = deque([(0.0, 0.0)] * seen_s, maxlen=seen_s)
    found: list[Second] = []
    for at in range(seconds):
        ready = min(asked, ready + sum(count for when, count in starting if when == at))
        rate = arriving(at)
        taken = min(backlog + rate, ready * per_pod)
        backlog += rate - taken
        past.append((backlog / rate if rate else 0.0, 100 * taken / (ready * per_pod)))
        if scaled and at % SYNC_S == 0:
            age, cpu = past[0]
            wanted = autoscaler.step(at, asked, {lag: age, "cpu": cpu})
            if wanted > asked:
                starting.append((at + start_s, wanted - asked))
            asked = wanted
            ready = min(ready, asked)
        found.append(Second(at, backlog, asked))
    return found
