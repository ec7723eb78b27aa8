"""The time of a run, which only its rows and its agenda move."""

from __future__ import annotations

from typing import Final

FAR_AWAY: Final = 1 << 62


class Clock:
    """What every feed reads and sets: the time of the event, and the time from which something else is due."""

    __slots__ = ("limit", "now")

    def __init__(self) -> None:
        self.now, self.limit = 0, FAR_AWAY
