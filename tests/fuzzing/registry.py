"""Every target, by name, and by the module that has it."""

from __future__ import annotations

import importlib
from functools import cache

from tests.fuzzing.target import Target

MODULES = (
    "venues",
    "recordings",
    "files",
    "codecs",
    "questions",
    "http",
    "live_stream",
    "identity",
    "texts",
    "settings",
    "wire",
    "client",
)


def of_module(module: str) -> dict[str, Target]:
    """The targets of a module, which is loaded now."""
    return {target.name: target for target in importlib.import_module(f"tests.fuzzing.{module}").TARGETS}


@cache
def all_targets() -> dict[str, Target]:
    """Every target by its name."""
    return {name: target for module in MODULES for name, target in of_module(module).items()}
