"""What is made of the tables: names, labels and kinds are those of the registry, and every file is the code's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from marketprism_sdk.observability import MetricKind
from marketprism_services.cli.app import COMMANDS
from marketprism_services.monitoring.alert import Severity
from marketprism_services.monitoring.alerts import ALERTS
from marketprism_services.monitoring.dashboards import DASHBOARDS
from marketprism_services.monitoring.expressions import Selector, grouping_of, selectors_of
from marketprism_services.monitoring.files import files
from marketprism_services.monitoring.objectives import BURN_ALERTS, BURNS, OBJECTIVES, WINDOWS
from marketprism_services.monitoring.runbooks import HEADINGS
from marketprism_services.monitoring.steps import STEPS
from marketprism_services.monitoring.yaml_text import yaml_of
from marketprism_services.settings.metrics import METRICS
from tests.support.reference import ROOT

_EVERY = (*ALERTS, *BURN_ALERTS)
_FILES = files()
_RISES = {"rate", "increase"}
_TARGET = {"job", "service", "instance", "group", "version"}
# What Prometheus and its clients have themselves: name, kind and labels.
_OTHERS: dict[str, tuple[str, set[str]]] = {
    "up": ("gauge", set()),
    "ALERTS": ("gauge", {"alertname", "alertstate", "severity"}),
    "process_cpu_seconds_total": ("counter", set()),
    "process_resident_memory_bytes": ("gauge", set()),
    "process_open_fds": ("gauge", set()),
    "process_max_fds": ("gauge", set()),
    "python_gc_collections_total": ("counter", {"generation"}),
}
_RECORDED = {name for objective in OBJECTIVES for name, _ in objective.records()}


def _registry() -> dict[str, tuple[str, set[str]]]:
    found = dict(_OTHERS)
    for name, family in METRICS.by_name().items():
        full, labels = METRICS.full_name(name), set(family.labels)
        if family.kind is MetricKind.HISTOGRAM:
            found |= {f"{full}_bucket": ("counter", labels | {"le"}), f"{full}_count": ("counter", labels)}
            found[f"{full}_sum"] = ("counter", labels)
        else:
            found[full] = (family.kind.value, labels)
    return found | {name: ("gauge", set[str]()) for name in _RECORDED}


REGISTRY = _registry()


def expressions() -> Iterator[tuple[str, str]]:
    """Where each stands, and it."""
    yield from ((alert.name, alert.expr) for alert in _EVERY)
    for objective in OBJECTIVES:
        yield from objective.records()
    for board in DASHBOARDS:
        yield from ((f"{board.title}: {panel.title}", expr) for panel in board.panels for expr, _ in panel.queries)


def faults_of(expr: str) -> list[str]:
    """What in an expression the registry does not have."""
    found, known = [], set(_TARGET)
    for selector in selectors_of(expr):
        if selector.name not in REGISTRY:
            found.append(f"{selector.name}: no such metric")
            continue
        kind, labels = REGISTRY[selector.name]
        known |= labels
        found += [
            f"{selector.name}: no label {label}" for label, _, _ in selector.matchers if label not in labels | _TARGET
        ]
        if selector.function in _RISES and kind != "counter":
            found.append(f"{selector.name}: {selector.function} of a {kind}")
        if selector.function in {"deriv", "predict_linear", "avg_over_time"} and kind != "gauge":
            found.append(f"{selector.name}: {selector.function} of a {kind}")
        found += _bounds(selector)
    named = re.findall(r"\b(?:marketprism|process|python)_\w+", re.sub(r'"[^"]*"', "", expr))
    found += [f"{name}: not read" for name in named if name not in {each.name for each in selectors_of(expr)}]
    return found + [f"no label {label} to group by" for label in grouping_of(expr) - known]


def _bounds(selector: Selector) -> Iterator[str]:
    """`le` is a bound that the histogram has, as it is written."""
    family = METRICS.by_name().get(selector.name.removeprefix("marketprism_").removesuffix("_bucket"))
    for label, _, value in selector.matchers:
        if label == "le" and family is not None and value not in {f"{bound}" for bound in family.buckets}:
            yield f"{selector.name}: no bound {value}"


def test_every_expression_asks_for_what_there_is() -> None:
    found = list(expressions())
    assert len(found) > 300
    assert [(where, fault) for where, expr in found for fault in faults_of(expr)] == []


@pytest.mark.parametrize(
    ("expr", "fault"),
    [
        ("rate(marketprism_leader[5m]) > 0", "marketprism_leader: rate of a gauge"),
        ("marketprism_no_such > 0", "marketprism_no_such: no such metric"),
        ('sum(marketprism_gaps_total{symbol="a"})', "marketprism_gaps_total: no label symbol"),
        ("sum by (venue) (marketprism_gaps_total)", "no label venue to group by"),
        ("predict_linear(marketprism_gaps_total[1h], 60)", "marketprism_gaps_total: predict_linear of a counter"),
        ('marketprism_query_seconds_bucket{le="0.2"}', "marketprism_query_seconds_bucket: no bound 0.2"),
    ],
)
def test_a_wrong_expression_is_found(expr: str, fault: str) -> None:
    assert faults_of(expr) == [fault]


def test_templates_name_labels_that_the_result_has() -> None:
    for alert in _EVERY:
        labels = set(_TARGET).union(*(REGISTRY[each.name][1] for each in selectors_of(alert.expr)))
        if sums := re.findall(r"(?:sum|max|count)(?: by \(([^)]*)\))? ?\(", alert.expr.partition("group_left")[0]):
            labels = {each.strip() for group in sums for each in group.split(",")}
        used = set(re.findall(r"\$labels\.(\w+)", alert.summary))
        assert used <= labels, (alert.name, used - labels)


def test_an_alert_is_whole() -> None:
    keys = [(alert.name, alert.severity, alert.labels and alert.labels["burn"]) for alert in _EVERY]
    assert len(set(keys)) == len(keys)
    for alert in _EVERY:
        assert re.fullmatch(r"([A-Z][a-z0-9]*)+h?", alert.name), alert.name
        fires = {scene.firing > 0 for scene in alert.scenes}
        assert len(alert.scenes) >= 2
        assert fires == ({True} if alert.name == "DeadMansSwitch" else {True, False}), alert.name
        assert (alert.severity is Severity.PAGE) <= (alert.lasts in {"0s", "10s", "15s", "30s", "1m", "5m"})
    assert len(BURN_ALERTS) == len(OBJECTIVES) * len(BURNS)
    assert {window for burn in BURNS for window in (burn.short, burn.long)} == set(WINDOWS)


def test_every_file_is_what_the_code_says_and_there_is_no_other() -> None:
    wrong = [name for name, text in _FILES.items() if (ROOT / name).read_text(encoding="utf-8") != text]
    assert wrong == [], "expected the files of `make docs`"
    folders = [ROOT / name for name in ("deploy/prometheus", "deploy/alertmanager", "deploy/grafana", "docs/runbooks")]
    there = {str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    by_hand = {str(path.relative_to(ROOT)) for path in (ROOT / "docs/runbooks/operate").iterdir()}
    by_hand |= {str(path.relative_to(ROOT)) for path in (ROOT / "deploy/grafana/clickhouse").iterdir()}
    elsewhere = ("deploy/kubernetes/", "deploy/compose/")
    assert there - by_hand == {name for name in _FILES if not name.startswith(elsewhere)}


def test_a_runbook_page_has_its_headings_and_its_links_lead_somewhere() -> None:
    for alert in _EVERY:
        page = _FILES[f"docs/runbooks/{alert.page}"]
        assert re.findall(r"^## (.+)$", page, re.MULTILINE) == list(HEADINGS)
        for link in re.findall(r"\]\(([^)]+)\)", page):
            assert (ROOT / "docs/runbooks" / link).exists(), (alert.name, link)


def test_a_runbook_names_what_there_is() -> None:
    """Metrics, commands, log events and dashboards."""
    events = (ROOT / "docs/log-events.md").read_text(encoding="utf-8")
    alerts, boards = {alert.name for alert in _EVERY}, {board.title for board in DASHBOARDS}
    for alert in _EVERY:
        steps = STEPS[alert.name]
        text = "\n".join((alert.runbook.means, *alert.runbook.look, *alert.runbook.act, steps.over))
        for name in re.findall(r"`((?:marketprism|process)_\w+)`", text):
            assert name in REGISTRY, (alert.name, name)
        for command in re.findall(r"`marketprism ([a-z-]+)", text):
            assert command in COMMANDS, (alert.name, command)
        for event in re.findall(r"`([a-z]+\.[a-z_]+)`", text):
            assert event in events, (alert.name, event)
        for name in re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", text):
            assert name in alerts | {"JetStream", "OpenID", "ClickHouse"}, (alert.name, name)
        for title in re.findall(r"[Dd]ashboard ([A-Z][a-z]+(?: and [a-z]+)?)", text):
            assert title in boards, (alert.name, title)


def test_panels_have_a_unit_a_description_and_a_place_of_their_own() -> None:
    assert len(DASHBOARDS) == 7
    for board in DASHBOARDS:
        document: dict[str, Any] = json.loads(board.as_json())
        taken: set[tuple[int, int]] = set()
        assert document["uid"] == f"marketprism-{board.uid}"
        for panel in document["panels"]:
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["description"].endswith("."), panel["title"]
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            assert max(x for x, _ in cells) < 24, panel["title"]
            taken |= cells
            for target in panel["targets"]:
                assert target["legendFormat"], panel["title"]
                seconds = all("_seconds" in each.name for each in selectors_of(target["expr"]))
                assert panel["fieldConfig"]["defaults"]["unit"] != "s" or seconds, panel["title"]


def test_yaml_is_read_as_it_was_meant() -> None:
    value = {"a": [1, {"b": "yes", "c": [], "d": {}}, "x: y"], "on": None, "e": {"f": '"q" \\ {{ $v }}', "g": 0.5}}
    assert yaml.safe_load(yaml_of(value, "a\nb")) == value  # type: ignore[arg-type]
    for name, text in _FILES.items():
        if name.endswith(".yml"):
            assert isinstance(yaml.safe_load(text), dict)


def test_the_provisioned_folder_is_that_of_the_dashboards() -> None:
    assert {path.stem for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")} == {
        each.uid for each in DASHBOARDS
    }
