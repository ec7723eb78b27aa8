"""Log events have fixed names of one form, and stand in one list: `docs/log-events.md`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "application", "adapters", "services", "sdk")
LIST = ROOT / "docs" / "log-events.md"
FORM = re.compile(r"[a-z_]+(\.[a-z_]+)+")
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
# A library has a logger that is silent until the program configures one; everything else has structlog's.
LOGGERS = {"structlog.get_logger()", "get_logger(__name__)"}


class LogCall(NamedTuple):
    """One call of a logger; `event` is None where it is no constant."""

    place: str
    level: str
    event: str | None


def loggers(tree: ast.Module) -> set[str]:
    """Names of a module that hold a logger."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]
    return {
        target.id
        for node in assigned
        if node.value is not None and ast.unparse(node.value) in LOGGERS
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def modules() -> Iterator[tuple[str, ast.Module]]:
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "get_logger" in text:
                yield str(path.relative_to(ROOT)), ast.parse(text)


def calls_and_others() -> tuple[list[LogCall], list[str]]:
    """All calls of loggers, and the places where a logger is used for anything else."""
    calls, others = [], []
    for name, tree in modules():
        known = loggers(tree)
        called = set()
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(function := node.func, ast.Attribute)
                and isinstance(function.value, ast.Name)
                and function.value.id in known
                and function.attr in LEVELS
            ):
                first = node.args[0] if len(node.args) == 1 else None
                event = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
                calls.append(LogCall(f"{name}:{node.lineno}", LEVELS[function.attr], event))
                called.add(id(function.value))
        others += [
            f"{name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Name)
            and node.id in known
            and isinstance(node.ctx, ast.Load)
            and id(node) not in called
        ]
    return calls, others


def listed() -> list[tuple[str, set[str], str]]:
    """Event, levels and meaning of each row of the list."""
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z, ]+) \| (.+) \|$", LIST.read_text(encoding="utf-8"), re.MULTILINE)
    return [(event, set(levels.split(", ")), meaning) for event, levels, meaning in rows]


def test_every_log_event_is_a_constant_of_the_form_noun_verb() -> None:
    calls, others = calls_and_others()
    assert len(calls) > 100
    assert [call.place for call in calls if call.event is None] == []
    assert others == [], "a logger is called where it stands: its events are in no list otherwise"
    assert [call for call in calls if not FORM.fullmatch(call.event or "")] == []


def _logger_of(name: str) -> str:
    return "get_logger(__name__)" if name.startswith("sdk/") else "structlog.get_logger()"


def test_a_logger_is_made_in_one_way() -> None:
    made = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in {"get_logger", "wrap_logger", "getLogger"}
        and not name.startswith("sdk/marketprism_sdk/observability/log")
        and ast.unparse(node) not in {"logging.getLogger()", _logger_of(name)}
    ]
    assert made == []


def test_the_list_names_every_event_once_with_its_levels() -> None:
    calls, _ = calls_and_others()
    logged: dict[str, set[str]] = {}
    for call in calls:
        logged.setdefault(call.event or "", set()).add(call.level)
    rows = listed()
    events = [event for event, _, _ in rows]
    assert sorted(events) == sorted(set(events)), "expected each event once"
    assert {event: levels for event, levels, _ in rows} == logged
    assert [event for event, _, meaning in rows if not meaning.strip().endswith((".", ")"))] == []
