"""No error is told without words: one function makes the text of what other people's code raises."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism_sdk import errors
from marketprism_sdk.errors import reason_of
from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "application", "adapters", "services", "sdk")
# Classes whose objects may have no text, as Python, the event loop and the libraries raise them.
WORDLESS = {
    *("BaseException", "Exception", "OSError", "ConnectionError", "ConnectionResetError", "BrokenPipeError"),
    *("TimeoutError", "CancelledError", "EOFError", "IncompleteReadError", "MemoryError", "AssertionError"),
    *("ClientError", "ArrowException", "SSLError", "InvalidStateError", "QueueFull", "QueueEmpty"),
}


def _classes(handler: ast.ExceptHandler) -> set[str]:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(each).split(".")[-1] for each in types if each is not None}


def _plain_texts(handler: ast.ExceptHandler) -> Iterator[int]:
    """Lines where the text of the caught error is all that is told of it."""
    named = {
        id(part)
        for node in ast.walk(handler)
        if isinstance(node, ast.JoinedStr) and f"type({handler.name}).__name__" in ast.unparse(node)
        for part in node.values
    }
    tests = {id(node.test) for node in ast.walk(handler) if isinstance(node, ast.IfExp | ast.If)}
    for node in ast.walk(handler):
        inside = isinstance(node, ast.FormattedValue) and node.conversion == -1 and id(node) not in named
        called = isinstance(node, ast.Call) and ast.unparse(node.func) == "str" and id(node) not in tests
        of = node.value if isinstance(node, ast.FormattedValue) else (node.args or [None])[0] if called else None  # type: ignore[attr-defined]
        if (inside or called) and isinstance(of, ast.Name) and of.id == handler.name:
            yield node.lineno


def test_what_may_have_no_text_is_told_by_the_function_that_finds_one() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for layer in LAYERS
        for path in sorted((ROOT / layer).rglob("*.py"))
        for handler in nodes_of(path)
        if isinstance(handler, ast.ExceptHandler) and handler.name and _classes(handler) & WORDLESS
        for line in _plain_texts(handler)
    ]
    assert found == [], "expected reason_of(error), whose text is never empty"


def _made(kind: type[BaseException]) -> BaseException | None:
    try:
        return kind()
    except TypeError:
        return None


EMPTY = [
    made
    for module in (builtins, errors)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, BaseException) and (made := _made(kind)) is not None
]


@pytest.mark.parametrize("error", EMPTY, ids=[type(error).__name__ for error in EMPTY])
def test_an_error_without_a_text_has_a_reason_all_the_same(error: BaseException) -> None:
    assert len(EMPTY) > 50
    assert reason_of(error).strip()
    assert reason_of(type(error)("  ")).strip() if not isinstance(error, UnicodeError | StopIteration) else True
