"""The name of a bucket that the framework keeps stands at one place: a second one would read another bucket."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from marketprism_sdk.election import LEASES
from marketprism_sdk.messaging import DONE, REGISTRY
from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "application", "adapters", "services", "sdk")


@pytest.mark.parametrize("name", [DONE, LEASES, REGISTRY])
def test_the_name_of_a_bucket_is_written_once(name: str) -> None:
    places = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and node.value in (name, f"KV_{name}")
    ]
    assert len(places) == 1, places
