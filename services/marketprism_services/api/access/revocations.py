"""Whose connections have to end: whoever holds one open is called when what it was opened with is no longer good."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from marketprism_application.access.principal import Principal
from marketprism_application.contracts.access_records import ApiKey, RefreshFamily, Role, Session, User
from marketprism_application.ports.access_store import AccessStore, Change


class Revoked(NamedTuple):
    """A credential (`key:k7f3`, `session:…`, `token:…`), or all of a user."""

    credential: str = ""
    user: str = ""

    def covers(self, who: Principal) -> bool:
        """Whether somebody is let in by it no longer."""
        return who.credential == self.credential if self.credential else who.user == self.user


OnRevoked = Callable[[Revoked], None]


class Revocations:
    """Listens to the store. Rights that have changed count as revoked: whoever comes again gets the new ones."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._versions: dict[str, int] = {}
        self._listeners: list[OnRevoked] = []

    def start(self) -> Callable[[], None]:
        """Listen until the returned function is called."""
        self._versions = {user.id: user.version for user in self._store.all(User)}
        return self._store.on_change(self._changed)

    def on_revoked(self, listener: OnRevoked) -> Callable[[], None]:
        """Call `listener` for what is revoked from now on, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self, change: Change) -> None:
        record = change.record
        if isinstance(record, User):
            before = self._versions.get(record.id, record.version)
            self._versions[record.id] = record.version
            if record.version != before or record.is_disabled:
                self._revoke(Revoked(user=record.id))
        elif change.kind is User:
            self._versions.pop(change.id, None)
            self._revoke(Revoked(user=change.id))
        elif change.kind is ApiKey:
            if record is None or (isinstance(record, ApiKey) and record.ts_revoked):
                self._revoke(Revoked(f"key:{change.id}"))
        elif change.kind is Role:
            for user in self._store.all(User):
                if change.id in user.roles:
                    self._revoke(Revoked(user=user.id))
        elif record is None and change.kind is Session:
            self._revoke(Revoked(f"session:{change.id}"))
        elif record is None and change.kind is RefreshFamily:
            self._revoke(Revoked(f"token:{change.id}"))

    def _revoke(self, revoked: Revoked) -> None:
        for listener in list(self._listeners):
            listener(revoked)
