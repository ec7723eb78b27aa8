"""The rules before Prometheus' own tools: they are read, fire in their scenes, and a wrong threshold is found."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from marketprism_services.monitoring.alert import Alert
from marketprism_services.monitoring.objectives import BURNS, OBJECTIVES
from marketprism_services.monitoring.prometheus import areas, rules_file
from marketprism_services.monitoring.scenes import alerts_test, records_test
from tests.support.prometheus import tool, write_rules
from tests.support.reference import ROOT

pytestmark = pytest.mark.timeout(120)

_THRESHOLD = re.compile(r"([<>]) (-?[\d.]+(?:e[+-]?\d+)?)\b")


async def _run(folder: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


def _write_tests(folder: Path, alerts: Mapping[str, Iterable[Alert]]) -> list[str]:
    for area, of in alerts.items():
        (folder / f"test-{area}.yml").write_text(alerts_test([f"rules/{area}.yml"], of), encoding="utf-8")
    return [f"test-{area}.yml" for area in alerts]


async def test_prometheus_and_alertmanager_take_the_files(tmp_path: Path) -> None:
    folder = write_rules(tmp_path)
    code, printed = await _run(folder, tool("promtool"), "check", "config", "prometheus.yml")
    assert code == 0, printed
    assert printed.count("rules found") == 1 + len(areas()), printed
    file = str(ROOT / "deploy/alertmanager/alertmanager.yml")
    code, printed = await _run(folder, tool("amtool"), "check-config", file)
    assert code == 0, printed
    code, printed = await _run(
        folder,
        tool("amtool"),
        "config",
        "routes",
        "test",
        f"--config.file={file}",
        "alertname=StageLag",
        "severity=page",
    )
    assert (code, printed.splitlines()[-1]) == (0, "notifier")


async def test_every_alert_fires_in_its_scenes_and_nowhere_else(tmp_path: Path) -> None:
    folder = write_rules(tmp_path)
    # The burn rates of one objective: those of the others differ in their name and target alone.
    alerts = {area: of[: len(BURNS)] if area == "slo" else of for area, of in areas().items()}
    names = _write_tests(folder, alerts)
    (folder / "test-objectives.yml").write_text(records_test(["rules/objectives.yml"], OBJECTIVES), encoding="utf-8")
    code, printed = await _run(folder, tool("promtool"), "test", "rules", *names, "test-objectives.yml")
    assert code == 0, printed


def _mutated(alert: Alert, factor: float) -> Alert:
    """The alert with another threshold; one of 0 becomes the factor."""

    def other(found: re.Match[str]) -> str:
        was = float(found[2])
        return f"{found[1]} {was * factor if was else factor:.6g}"

    return replace(alert, expr=_THRESHOLD.sub(other, alert.expr))


@pytest.mark.long
async def test_a_threshold_that_is_ten_times_another_is_found(tmp_path: Path) -> None:
    """Every second alert ten times higher, the others ten times lower; of the objectives' one.

    What is to be below a bound goes up alone: 0 is below a tenth of it too.
    """
    wrong: dict[str, list[Alert]] = {}
    for area, alerts in areas().items():
        for number, alert in enumerate(alerts[: len(BURNS)] if area == "slo" else alerts):
            thresholds = [float(found[2]) for found in _THRESHOLD.finditer(alert.expr)]
            if not thresholds or alert.expr.startswith("vector"):
                continue
            wrong.setdefault(area, []).append(
                _mutated(alert, 10 if number % 2 or not any(thresholds) or "<" in alert.expr else 0.1)
            )
    folder = write_rules(tmp_path, {f"rules/{area}.yml": rules_file(area, of) for area, of in wrong.items()})
    code, printed = await _run(folder, tool("promtool"), "test", "rules", *_write_tests(folder, wrong))
    assert code != 0
    found = set(re.findall(r'alertname=\\"(\w+)\\",severity=\\"(\w+)\\"', printed))
    assert {(alert.name, alert.severity.value) for of in wrong.values() for alert in of} - found == set()
    assert len(found) > 50
