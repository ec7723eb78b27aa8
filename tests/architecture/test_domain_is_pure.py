"""The domain stands on the standard library and reads no clock."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tests.support.sources import tree_of

DOMAIN = Path(__file__).parents[2] / "domain" / "marketprism_domain"
CLOCKS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("date", "today"),
}


def trees() -> list[tuple[Path, ast.AST]]:
    return [(path, tree_of(path)) for path in DOMAIN.rglob("*.py")]


def test_it_imports_only_the_standard_library_and_itself() -> None:
    allowed = sys.stdlib_module_names | {"marketprism_domain"}
    forbidden = {"asyncio", "socket", "threading", "subprocess", "logging", "os"}
    for path, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.split(".")[0] for name in names}
            assert roots <= allowed - forbidden, f"{path.name} imports {roots - (allowed - forbidden)}"


def test_it_reads_no_clock_and_has_no_coroutine() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), path.name
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in CLOCKS, f"{path.name}: {node.value.id}.{node.attr}"
