"""Every metric stands in one list, with its kind, its labels and a text, and every row of the list is counted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from marketprism_sdk.observability import FRAMEWORK, MetricKind
from marketprism_sdk.values import REFUSED
from marketprism_services.settings.metrics import METRICS
from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[2]
LAYERS = ("adapters", "services", "sdk")
KINDS = {
    "count": "counter",
    "gauge": "gauge",
    "observe": "histogram",
    "watch": "watched",
    "watch_each": "watched",
    "gauges": "gauge",
}


class Call(NamedTuple):
    """A use of a metric."""

    place: str
    method: str
    name: str
    labels: tuple[str, ...]


def calls() -> Iterator[Call]:
    for path in (path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))):
        for node in nodes_of(path):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS):
                continue
            of = ast.unparse(node.func.value)
            if not (
                of.endswith("metrics")
                or (path.name == "_metrics.py" and of == "self" and isinstance(node.args[0], ast.Constant))
            ):
                continue
            first, where = node.args[0], f"{path.relative_to(ROOT)}:{node.lineno}"
            labels = tuple(keyword.arg or "**" for keyword in node.keywords)
            if node.func.attr == "watch_each" and isinstance(node.args[1], ast.Constant):
                labels = (str(node.args[1].value),)
            if node.func.attr == "gauges" and isinstance(node.args[1], ast.Tuple):
                labels = tuple(ast.unparse(each).strip("'") for each in node.args[1].elts)
            if isinstance(first, ast.Constant):
                yield Call(where, node.func.attr, str(first.value), labels)
            elif ast.unparse(first) == "REFUSED":
                yield Call(where, node.func.attr, REFUSED, labels)
            else:
                assert ast.unparse(first) == "f'source_{name}'", f"{where}: expected the name of a metric"


def figures() -> Iterator[Call]:
    """What the sources of venues count: the keys of their figures."""
    for path in sorted((ROOT / "adapters/marketprism_adapters/venues/live").glob("*.py")):
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef) and node.name == "figures":
                for key in (key for each in ast.walk(node) if isinstance(each, ast.Dict) for key in each.keys):
                    if isinstance(key, ast.Constant):
                        yield Call(path.name, "watch", f"source_{key.value}", ())


def begun() -> Iterator[str]:
    """Counters that are read from the start."""
    for path in (path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))):
        for node in nodes_of(path):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "begin"):
                continue
            if ast.unparse(node.func.value).endswith("metrics"):
                yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


def test_what_begins_at_0_is_counted_and_read_nowhere_else() -> None:
    """A family that is watched as well would be there twice."""
    counted = {call.name for call in calls() if call.method == "count"}
    watched = {call.name for call in calls() if call.method in ("watch", "watch_each")}
    found = list(begun())
    assert len(found) > 15
    assert set(found) <= counted
    assert not set(found) & watched


STATES = {f"source_streams_{state}" for state in ("pending", "subscribed", "flowing", "stale", "refused")}


def test_every_metric_stands_in_the_list_as_it_is_used() -> None:
    families = METRICS.by_name()
    used = [*calls(), *figures()]
    assert len(used) > 80
    assert [call for call in used if call.name not in families] == []
    wrong = [
        call
        for call in used
        if KINDS[call.method] not in (families[call.name].kind.value, "watched")
        or set(call.labels) != set(families[call.name].labels)
    ]
    assert wrong == []
    assert set(families) - {call.name for call in used} == STATES


def test_a_name_says_its_unit_and_labels_are_few() -> None:
    for family in METRICS.by_name().values():
        assert family.text.endswith("."), family.name
        if family.kind is MetricKind.HISTOGRAM:
            assert family.name.endswith(("_seconds", "_rows", "_score")), family.name
        for unit in ("seconds", "bytes"):
            if f"in {unit}" in family.text:
                assert unit in family.name, family.name
    labels = {label for family in METRICS.by_name().values() for label in family.labels}
    assert labels == {
        *("service", "venue", "source", "stream", "stage", "where", "kind", "reason", "error"),
        *("interval", "cause", "result", "lease", "table", "disk", "question"),
        *("version", "core", "dependency", "metric", "level"),
        *("method", "code", "command", "event", "bucket", "change", "replaced", "route", "status", "state"),
        *("channel", "severity", "result", "job", "handler", "server"),
    }


def test_the_framework_knows_nothing_of_the_pipeline() -> None:
    names = {family.name for family in FRAMEWORK}
    assert {call.name for call in calls() if call.place.startswith("sdk")} <= names
    assert not [family for family in FRAMEWORK if "tick" in family.name or "market" in family.text.lower()]
