"""What a strict run does not let a strategy use: clocks, chance, networks and processes, under whatever name."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from marketprism_application.backtesting.errors import StrategyImportError
from marketprism_application.backtesting.identity import own_modules
from marketprism_application.backtesting.strategy import Strategy

_IMPORTS = frozenset(
    (
        *("time", "random", "secrets", "uuid"),
        *("socket", "ssl", "urllib", "http", "requests", "aiohttp", "httpx"),
        *("subprocess", "multiprocessing", "threading", "importlib"),
    )
)
_NAMES = frozenset(("__import__", "eval", "exec", "os.urandom", "os.getrandom", "os.times"))
_CLOCKS, _OWNERS = ("now", "utcnow", "today"), ("datetime", "date", "Timestamp", "datetime64")


def check_repeatable(strategy: type[Strategy]) -> None:
    """Raises StrategyImportError where the module of a strategy, or one of its package that it uses, has what makes
    runs differ: it is named with file and line."""
    for module in own_modules(sys.modules[strategy.__module__]).values():
        for line, name in _wrong(module):
            place = f"{module.__file__}:{line}"
            raise StrategyImportError(f"strategy: expected ctx.now and ctx.random, was {name} ({place})")


def _wrong(module: ModuleType) -> Iterator[tuple[int, str]]:
    """What a module imports or reaches that it must not, with its line and its full name: `dt.now` of an alias is
    `datetime.datetime.now`."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):  # a package without a file
        return
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        found = []
        if isinstance(node, ast.Import):
            found = [(each.asname or each.name, each.name) for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found = [(each.asname or each.name, f"{node.module}.{each.name}") for each in node.names]
        for alias, name in found:
            aliases[alias] = name
            if name.partition(".")[0] in _IMPORTS or _is_wrong(name):
                yield getattr(node, "lineno", 0), name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = ast.unparse(node).partition(".")
            name = f"{aliases.get(first, first)}{dot}{rest}"
            if _is_wrong(name):
                yield node.lineno, name


def _is_wrong(name: str) -> bool:
    parts = name.split(".")
    clock = len(parts) > 1 and parts[-1] in _CLOCKS and parts[-2] in _OWNERS
    return clock or name in _NAMES or name.startswith("numpy.random")


__all__ = ["check_repeatable"]
