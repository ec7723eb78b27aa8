"""Modules that are loaded when they are needed.

`lazy_names` gives a package names that are loaded when they are first asked for (PEP 562): importing it costs nothing.

The package says what it has three times, and a test holds the three against each other: `__all__`, imports below
`if TYPE_CHECKING:` for type checkers, and the table that is given here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of `package`: `modules` has the names that it offers, by the full name of their module, or of
    their package where a name is a module.

    A name that was asked for once is the package's own from then on. The function raises AttributeError for names that
    nobody offers, as a module does.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(module_of[name])
        value = getattr(module, name) if hasattr(module, name) else import_module(f"{module.__name__}.{name}")
        setattr(sys.modules[package], name, value)
        return value

    return load


async def loaded(module: str) -> None:
    """Load a heavy module beside the event loop, which an import of a quarter of a second would hold up; once.

    Who asks while it is being loaded waits for it too: an import of its own would wait in the event loop.
    """
    found = sys.modules.get(module)
    if found is None or getattr(found.__spec__, "_initializing", False):
        import asyncio  # noqa: PLC0415 (importing a package that has lazy names needs none)

        await asyncio.to_thread(import_module, module)
