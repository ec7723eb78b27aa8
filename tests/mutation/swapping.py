"""A change put into functions that are alive: every module that has imported them sees it."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

Functions = dict[tuple[str, str, int], list[FunctionType]]


def living(folders: tuple[Path, ...]) -> Functions:
    """Python functions by file, qualified name and first line."""
    gc.unfreeze()  # what is frozen is not listed
    prefixes = tuple(f"{folder}/" for folder in folders)
    found: Functions = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(prefixes):
            found.setdefault(_key(each.__code__), []).append(each)
    return found


def swap(tree: ast.Module, path: Path, function: tuple[str, int], alive: Functions) -> bool:
    """Whether the function of the tree, and those inside it, stand now where the former ones did."""
    swapped = False
    for code in _codes(compile(tree, str(path), "exec")):
        name = code.co_qualname
        if _key(code)[1:] != function and not name.startswith(f"{function[0]}.<locals>"):
            continue
        for each in alive.get(_key(code), ()):
            if each.__code__.co_freevars != code.co_freevars:
                return False
            each.__code__ = code
            swapped = swapped or _key(code)[1:] == function
    return swapped


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)
