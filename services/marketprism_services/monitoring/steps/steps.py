"""The class of the rows."""

from __future__ import annotations

from typing import NamedTuple


class Steps(NamedTuple):
    """Commands of a shell, a line each, and when it is over."""

    look: tuple[str, ...]
    act: tuple[str, ...]
    over: str


__all__ = ["Steps"]
