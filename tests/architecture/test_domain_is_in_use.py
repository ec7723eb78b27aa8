"""Whatever the domain defines is reached from the product: a class that only its tests know is not the model of anything."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import tree_of

ROOT = Path(__file__).parents[2]
DOMAIN = ROOT / "domain"
# These say what may come by, and use nothing.
LISTS = {DOMAIN / "marketprism_domain/events/registry.py"}
PRODUCT = ("application", "adapters", "services", "sdk")


def words(tree: ast.AST) -> Iterator[str]:
    """Names that code uses, which imports and docstrings do not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def definitions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Classes, functions and constants of a module, by name; what is assigned to `__all__` is no use of it."""
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in (each for one in targets for each in ast.walk(one)):
                if isinstance(target, ast.Name) and target.id != "__all__":
                    yield target.id, node


def test_all_that_the_domain_defines_is_reached_from_the_product() -> None:
    defined: dict[str, list[ast.AST]] = defaultdict(list)
    for path in DOMAIN.rglob("*.py"):
        if path not in LISTS:
            for name, node in definitions(path):
                defined[name].append(node)
    reached: set[str] = set()
    due = {word for layer in PRODUCT for path in (ROOT / layer).rglob("*.py") for word in words(tree_of(path))}
    while due := (due & defined.keys()) - reached:
        reached |= due
        due = {word for name in due for node in defined[name] for word in words(node)}
    assert defined.keys() - reached == set(), "used by no product code"
