"""The scenes of the alerts as promtool's test files: each alert fires where it is to, and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from marketprism_services.monitoring.alert import SAMPLE_S, Alert, Scene
from marketprism_services.monitoring.expressions import selectors_of
from marketprism_services.monitoring.objectives import WINDOWS, Objective
from marketprism_services.monitoring.yaml_text import Value, yaml_of


def _firing(alert: Alert) -> str:
    inside = {"alertname": alert.name, "severity": alert.severity.value, "alertstate": "firing", **(alert.labels or {})}
    return (
        f"count(ALERTS{{{','.join(f'{label}={json.dumps(value)}' for label, value in inside.items())}}}) or vector(0)"
    )


def _input(series: Mapping[str, str]) -> list[Value]:
    return [{"series": name, "values": values} for name, values in series.items()]


def _sample(expr: str, at: str, value: float) -> Value:
    expected: dict[str, Value] = {"labels": "{}", "value": value}
    return {"expr": expr, "eval_time": at, "exp_samples": [expected]}


def _file(rules: Sequence[str], tests: list[Value]) -> str:
    return yaml_of({"rule_files": list(rules), "evaluation_interval": f"{SAMPLE_S}s", "tests": tests})


def _seconds(at: str) -> int:
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", at))


def _together(alerts: Iterable[Alert]) -> list[list[tuple[Alert, Scene]]]:
    """Scenes of alerts that read nothing in common are one test: it costs what the longest of them does."""
    found: list[tuple[set[str], list[tuple[Alert, Scene]]]] = []
    scenes = [(alert, scene) for alert in alerts for scene in alert.scenes]
    for alert, scene in sorted(scenes, key=lambda each: _seconds(each[1].at)):
        names = {selector.name for selector in selectors_of(alert.expr)}
        for taken, held in found:
            if not taken & names and (alert, scene.at) not in [(other, of.at) for other, of in held]:
                taken.update(names)
                held.append((alert, scene))
                break
        else:
            found.append((names, [(alert, scene)]))
    return [held for _, held in found]


def alerts_test(rules: Sequence[str], alerts: Iterable[Alert]) -> str:
    """A test file for the rule files named, which hold these alerts."""
    tests: list[Value] = [
        {
            "interval": f"{SAMPLE_S}s",
            "input_series": [each for _, scene in held for each in _input(scene.series)],
            "promql_expr_test": [_sample(_firing(alert), scene.at, scene.firing) for alert, scene in held],
        }
        for held in _together(alerts)
    ]
    return _file(rules, tests)


def _measured(objective: Objective, window: str) -> str:
    ratio = objective.ratio_of(window)
    return ratio if window == WINDOWS[0] else f"{ratio} / {objective.known_of(window)}"


def records_test(rules: Sequence[str], objectives: Iterable[Objective]) -> str:
    """Each objective's ratio is that of its scene, over each window, for the part of it that is known."""
    every = list(objectives)  # whose series are not those of one another
    tests: list[Value] = [
        {
            "interval": f"{SAMPLE_S}s",
            "input_series": [each for objective in every for each in _input(objective.scene)],
            "promql_expr_test": [
                _sample(f"abs({_measured(objective, window)} - {objective.ratio}) < bool 0.001", "12m", 1)
                for objective in every
                for window in WINDOWS
            ],
        }
    ]
    return _file(rules, tests)


__all__ = ["alerts_test", "records_test"]
