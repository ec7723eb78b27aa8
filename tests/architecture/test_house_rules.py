"""Rules of the house that a script can check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "application", "adapters", "services", "sdk")
TOP_LEVEL = {
    "domain",
    "application",
    "adapters",
    "services",
    "sdk",
    "deploy",
    "tests",
    "docs",
    "examples",
    "console",
    "pyproject.toml",
    "ARCHITECTURE.md",
    "README.md",
    "README.zh-CN.md",
    "Makefile",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "constraints.txt",
}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (ROOT / folder).rglob("*.py")


def test_a_file_has_at_most_400_lines() -> None:
    lengths = {
        str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in sources(*LAYERS, "tests")
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_top_level_holds_only_what_was_agreed() -> None:
    tracked = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert tracked - {"dist", "build", "chaos"} <= TOP_LEVEL


def test_every_port_has_at_most_seven_methods() -> None:
    fat = {}
    for path in sources("application", "sdk"):
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Protocol" for base in node.bases):
                methods = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
                if len(methods) > 7:
                    fat[node.name] = len(methods)
    assert fat == {}


def test_no_code_outside_contracts_asks_for_a_kind_by_name() -> None:
    asks = re.compile(r"kind(\.name)?\s*(==|!=|in)\s*[\(\"'\[]")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources(*LAYERS)
        if "contracts" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if asks.search(line)
    ]
    assert found == []


def test_no_package_index_is_named_anywhere() -> None:
    named = re.compile(r"https?://[^\s]*(pypi|pythonhosted|npmjs|index-url)", re.IGNORECASE)
    files = [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not {".git", ".build", "node_modules"} & set(path.parts)
        and not any(part.startswith(".venv") for part in path.parts)
    ]
    texts = [path for path in files if path.suffix in {".py", ".toml", ".md", ".txt", ".yaml", ".yml", ".cfg", ""}]
    assert [str(path) for path in texts if named.search(path.read_text(encoding="utf-8", errors="replace"))] == []


def test_our_own_code_is_never_patched_in_tests() -> None:
    patched = re.compile(r"(patch|setattr)\(\s*[\"']?marketprism_")
    assert [str(path) for path in sources("tests") if patched.search(path.read_text(encoding="utf-8"))] == []


def test_values_of_buckets_are_read_with_the_net_of_the_sdk() -> None:
    bare = re.compile(r"(msgpack\.|\b)decode\(\s*(\w+,\s*)?(entry|e|stored)\.value")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources(*LAYERS)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []
