"""Where users, keys, roles and sessions are kept, and the log of what was done to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from marketprism_application.contracts.access_records import (
    AccessRecord,
    ApiKey,
    AuditRecord,
    FailedLogins,
    RefreshFamily,
    Role,
    RowCount,
    Session,
    Signer,
    User,
)
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError

R = TypeVar("R", User, ApiKey, Role, Signer, RefreshFamily, Session, FailedLogins, RowCount)


class Stored(NamedTuple, Generic[R]):
    """A record and the revision that the next write has to name."""

    record: R
    revision: int


class Change(NamedTuple):
    """A record that was written, or removed: `record` is None then."""

    kind: type[AccessRecord]
    id: str
    record: AccessRecord | None


OnChange = Callable[[Change], None]


class RecordChanged(ApplicationError):
    """Somebody else has written meanwhile, or the record is there already."""

    code = Code.CONFLICT


class AccessStore(Protocol):
    """Records by kind and id. What is read from memory is what every instance has heard of by now.

    Methods that ask the store itself raise what the store raises when it is away.
    """

    def get(self, kind: type[R], key: str) -> R | None:
        """The record as it is in memory."""
        ...

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a kind in memory, by id."""
        ...

    async def read(self, kind: type[R], key: str) -> Stored[R] | None:
        """The record as it is in the store itself, which memory has from then on too."""
        ...

    async def write(self, record: AccessRecord, revision: int) -> int:
        """Write if the record is still at `revision`, 0 for one that is not there; its new revision.

        Raises:
            RecordChanged: it is at another one.
        """
        ...

    async def remove(self, kind: type[R], key: str, revision: int | None = None) -> None:
        """Take a record out; one that is not there is fine.

        Raises:
            RecordChanged: a revision is given, and it is at another one.
        """
        ...

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Call `listener` for every change that is heard of, until the returned function is called."""
        ...

    def silent_s(self) -> float:
        """For how long nothing can be heard of changes; 0 while the store is within reach."""
        ...


class AuditLog(Protocol):
    """What was done. Records are added and read; none is ever changed or taken out."""

    async def add(self, record: AuditRecord) -> None:
        """Add a record; it is there for good when this returns. Raises what the log raises when it is away."""
        ...

    async def newest(self, limit: int, before: int | None = None) -> list[tuple[int, AuditRecord]]:
        """The newest records with their numbers, newest first; `before` a number: those that are older."""
        ...
