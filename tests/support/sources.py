"""The product's code as its tests read it."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file, for reading alone: whoever asks next gets the same one.

    Raises:
        SyntaxError: it is no Python.
    """
    return ast.parse(path.read_text(encoding="utf-8"))
