"""Several connections that bring one book: what one brings too early waits for what another is still to bring."""

from __future__ import annotations

from bisect import insort
from operator import attrgetter

from marketprism_domain.books.chain import BookChange
from marketprism_domain.books.sync import MAX_KEPT, BookSync

_ID = attrgetter("last_id")


class EarlyChanges:
    """The connections of one book, how far each is, and the changes that came too early, in the order of their ids.

    `path` is the connection heard last; while it is the only one (`several` is false) nothing has to be asked.
    """

    __slots__ = ("_changes", "_reached", "path", "several")

    def __init__(self) -> None:
        self._changes: list[BookChange] = []
        self._reached: dict[str, int] = {}  # by connection; kept up to date only while there are several
        self.path = ""
        self.several = False

    def __len__(self) -> int:
        return len(self._changes)

    def wait(self, change: BookChange, path: str, sync: BookSync) -> bool:
        """Whether a change is to wait, because another connection is still to bring what lies before it."""
        reached = self._reached
        if path != self.path:
            self.path = path
            reached.setdefault(path, 0)
            self.several = len(reached) > 1
        if not self.several:
            return False
        reached[path] = change.last_id
        if not sync.breaks(change):
            return False
        insort(self._changes, change, key=_ID)
        return True

    def hopeless(self, now_ns: int, hold_ns: int, book_id: int) -> bool:
        """Whether nobody will bring what lies before those that wait: all are past it, or it takes too long."""
        late = now_ns - self._changes[0].ts_recv > hold_ns or len(self._changes) > MAX_KEPT
        return late or min(self._reached.values()) > book_id

    def follow(self, sync: BookSync) -> BookChange | None:
        """The next change, if it follows now."""
        changes = self._changes
        return changes.pop(0) if changes and not sync.breaks(changes[0]) else None

    def take_all(self) -> list[BookChange]:
        """Everything that waits; nothing does from now on."""
        changes, self._changes = self._changes, []
        return changes

    def drop_connection(self, path: str) -> None:
        """A connection has ended."""
        self._reached.pop(path, None)
        self.several = len(self._reached) > 1
        if path == self.path:
            self.path = ""
