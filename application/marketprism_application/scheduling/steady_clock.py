"""The wall clock as a scheduler uses it: one that jumps is held until it has stayed where it is for a while.

Due times are times of the wall, so that the wall decides when they are. But a clock that is set an hour ahead for a
second would make everything of that hour due, or missed, and nothing could take that back.
"""

from __future__ import annotations

_JUMP_NS = 2_000_000_000  # more than a correction, or than a process is held up between two readings
_CONFIRM_NS = 30_000_000_000


class SteadyClock:
    """`read` gives the time to use, nanoseconds UTC, and by how much it was moved now, 0 for nothing."""

    def __init__(self, confirm_ns: int = _CONFIRM_NS) -> None:
        self._confirm_ns = confirm_ns
        self._ahead = 0  # of the monotonic clock, as it is used
        self._is_set = False
        self._held_since: int | None = None
        self._held_ahead = 0

    def read(self, wall: int, monotonic: int) -> tuple[int, int]:
        """Both clocks, read together."""
        ahead = wall - monotonic
        if not self._is_set or abs(ahead - self._ahead) <= _JUMP_NS:
            self._is_set, self._ahead, self._held_since = True, ahead, None
            return wall, 0
        if self._held_since is None or abs(ahead - self._held_ahead) > _JUMP_NS:
            self._held_since, self._held_ahead = monotonic, ahead
        if monotonic - self._held_since < self._confirm_ns:
            return monotonic + self._ahead, 0
        moved, self._ahead, self._held_since = ahead - self._ahead, ahead, None
        return wall, moved


__all__ = ["SteadyClock"]
