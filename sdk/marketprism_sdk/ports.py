"""Ports of the framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KvEntry:
    """A key's value at a revision; revisions of a bucket only grow. `bucket` is empty where it has no name."""

    key: str
    value: bytes
    revision: int
    deleted: bool = False
    bucket: str = field(default="", compare=False)


Stop = Callable[[], Awaitable[None]]


class KeyReader(Protocol):
    """What a bucket holds.

    Reads give what was written, and may lag behind it, but for the first of a key after a refusal: whoever acts on one
    writes under the revision that it gave. `watch` is a hint: entries may be missed while the connection is away, so
    whoever acts on them reads again. Every method may raise NotConnected or DeadlineExceeded.
    """

    async def get(self, key: str) -> KvEntry | None:
        """The live entry; None when there is none or it was deleted."""
        ...

    async def get_latest(self, key: str) -> KvEntry | None:
        """As `get`, and no write that was acknowledged is newer: for who acts on an entry that is not there, or without
        a write of its own. Costs a question to the one server that leads."""
        ...

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """Every live entry whose key starts with `prefix`, by key."""
        ...

    async def watch(self, prefix: str, on_entry: Callable[[KvEntry], None]) -> Stop:
        """Call `on_entry` for changes from now on, in order, until the returned function is awaited."""
        ...


class KeyValue(KeyReader, Protocol):
    """A bucket with compare-and-swap.

    Writes are linearizable. A refused one was not taken, save where a server of a replicated bucket that had led before
    refused it: whoever must know reads again, as after an answer that was lost.
    """

    async def create(self, key: str, value: bytes) -> int:
        """First write of a key. Raises KeyExists."""
        ...

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write if the key is still at `revision`. Raises RevisionConflict."""
        ...

    async def put(self, key: str, value: bytes) -> int:
        """Write, whatever is there."""
        ...

    async def delete(self, key: str) -> None:
        """Remove; `create` works again afterwards."""
        ...
