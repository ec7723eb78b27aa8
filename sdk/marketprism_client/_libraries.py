"""Libraries that a client uses where they are installed, and the extra that brings each."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec

_EXTRAS = {"pyarrow": "arrow"}  # of others the extra has the library's own name


def is_there(library: str) -> bool:
    """Whether a library can be imported, without importing it."""
    if library in sys.modules:
        return sys.modules[library] is not None
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):
        return False


@cache
def has_arrow() -> bool:
    """Whether answers can be tables of Arrow's."""
    return is_there("pyarrow")


def needs(library: str) -> None:
    """Raises ModuleNotFoundError: it is not installed; names the extra that brings it."""
    if not is_there(library):
        extra = _EXTRAS.get(library, library)
        raise ModuleNotFoundError(
            f"answer: expected {library}, was not installed: pip install 'marketprism[{extra}]'", name=library
        )
