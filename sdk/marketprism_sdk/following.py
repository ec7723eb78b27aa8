"""Whether a watch has told every change of a bucket: each write gets the next revision, so a hole is one that was
missed, and one's own heartbeats, which come over the watch as well, say that it is not deaf."""

from __future__ import annotations

from collections.abc import Iterable

from marketprism_sdk.clock import Clock
from marketprism_sdk.ports import KvEntry


class FollowedRevisions:
    """Revisions of one watch of a whole bucket, from the last reading on."""

    def __init__(self, clock: Clock, silent_s: float) -> None:
        self._clock = clock
        self._silent_s = silent_s
        self._last = 0
        self._whole = False
        self._heard_at = float("-inf")

    def note(self, revision: int) -> None:
        """A change that the watch told. One that is behind the last is of a bucket that was made anew."""
        if self._last and revision not in (self._last, self._last + 1):
            self._whole = False
        self._last = revision
        self._heard_at = self._clock.monotonic_s()

    def reading(self) -> None:
        """The bucket is about to be read whole: what was missed before is of no account any more."""
        self._whole = True

    def read(self, entries: Iterable[KvEntry]) -> None:
        """It was read: the next change is behind the newest of these. Of one whose copy was lost before anything was
        heard, there is no other sign."""
        self._last = max((self._last, *(entry.revision for entry in entries)))

    def missed(self) -> None:
        """Nothing is certain: the connection was lost, or the reading failed."""
        self._whole = False

    @property
    def whole(self) -> bool:
        """Whether nothing was missed since the reading, as far as one can know."""
        return self._whole and self._clock.monotonic_s() - self._heard_at <= self._silent_s


__all__ = ["FollowedRevisions"]
