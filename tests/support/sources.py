"""The product's code as its tests read it."""

from __future__ import annotations

import ast
import functools
import gc
from pathlib import Path


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, for who looks at it once.

    Raises:
        SyntaxError: it is no Python.
    """
    collects = gc.isenabled()
    gc.disable()  # it is thousands of objects, none of them garbage: looking for some costs more than the parsing
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        if collects:
            gc.enable()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The same for reading alone: whoever asks next gets the same one. Raises SyntaxError as `parsed` does."""
    return parsed(path)


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of that tree, as `ast.walk` finds them. Raises SyntaxError as `parsed` does."""
    return tuple(ast.walk(tree_of(path)))
