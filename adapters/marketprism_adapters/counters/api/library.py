"""The compiled API classes of vnpy_ctp and vnpy_sopt.

Only the bindings are loaded: the packages' own `__init__` brings vnpy's trader, and with it Qt, and turns every message
into objects whose time cannot be trusted.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from marketprism_application.errors import SourceError


@dataclass(frozen=True)
class Counter:
    """A kind of counter: the package that holds its API, and the names of the two modules."""

    venue: str
    package: str
    md_module: str
    td_module: str


COUNTERS = {
    "ctp": Counter("ctp", "vnpy_ctp", "vnctpmd", "vnctptd"),
    "sopt": Counter("sopt", "vnpy_sopt", "vnsoptmd", "vnsopttd"),
}


@dataclass(frozen=True)
class Api:
    """Base classes of the market-data and the trader side: their `on…` methods are called from threads of the API."""

    md: type[Any]
    td: type[Any]


def load(venue: str) -> Api:
    """The classes of a counter.

    Raises:
        SourceError: the package is not installed, or its library cannot be loaded on this machine.
    """
    counter = COUNTERS[venue]
    spec = importlib.util.find_spec(counter.package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"source {venue}: expected the package {counter.package}; install marketprism[{venue}], "
            f"or {counter.package} alone (pip install --no-deps {counter.package.replace('_', '-')})"
        )
    folder = Path(spec.submodule_search_locations[0]) / "api"
    return Api(_module(folder, counter.md_module).MdApi, _module(folder, counter.td_module).TdApi)


def _module(folder: Path, name: str) -> ModuleType:
    known = sys.modules.get(name)
    if known is not None:
        return known
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.exists():
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None and spec.loader is not None  # noqa: S101, PT018 (a file that is there)
            module = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
            except ImportError as error:
                raise SourceError(f"{path}: expected a library that this machine can load: {error}") from error
            sys.modules[name] = module
            return module
    raise SourceError(f"{folder}: expected the compiled module {name} for this Python, found none")
