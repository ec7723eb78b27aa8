"""Whose connections have to end: whoever holds one open is called when what it was opened with is no longer good."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from marketprism_application.access.logins import ABSOLUTE_S
from marketprism_application.access.principal import Principal
from marketprism_application.contracts.access_records import ApiKey, RefreshFamily, Role, Session, Signer, User
from marketprism_application.ports.access_store import AccessStore, Change

_S = 10**9
_MOST_ENDING = 10_000


class Revoked(NamedTuple):
    """A credential (`key:k7f3`, `session:…`, `token:…`), or all of a user."""

    credential: str = ""
    user: str = ""

    def covers(self, who: Principal) -> bool:
        """Whether somebody is let in by it no longer."""
        return who.credential == self.credential if self.credential else who.user == self.user


OnRevoked = Callable[[Revoked], None]


class Revocations:
    """Listens to the store. Rights that have changed count as revoked: whoever comes again gets the new ones.

    What ends by itself changes nothing in the store: `end_expired` finds it, and has to be called again and again.
    """

    def __init__(self, store: AccessStore, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock = clock
        self._versions: dict[str, int] = {}
        self._rights: dict[str, tuple[object, ...]] = {}  # of keys
        self._roles: dict[str, tuple[object, ...]] = {}
        self._signers: dict[str, int] = {}  # when each ends
        self._ending: OrderedDict[str, int] = OrderedDict()  # credentials of which the store has nothing
        self._checked = 0
        self._listeners: list[OnRevoked] = []

    def start(self) -> Callable[[], None]:
        """Listen until the returned function is called."""
        self._versions = {user.id: user.version for user in self._store.all(User)}
        self._rights = {key.id: _rights_of(key) for key in self._store.all(ApiKey)}
        self._roles = {role.id: _rights_of_role(role) for role in self._store.all(Role)}
        self._signers = {signer.id: signer.ts_expires for signer in self._store.all(Signer)}
        self._checked = self._clock()
        return self._store.on_change(self._changed)

    def on_revoked(self, listener: OnRevoked) -> Callable[[], None]:
        """Call `listener` for what is revoked from now on, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def end_expired(self) -> None:
        """Revoke the keys and logins whose time has come since the last call."""
        before, now = self._checked, self._clock()
        if now <= before:
            return
        self._checked = now
        for key in self._store.all(ApiKey):
            if before < key.ts_expires <= now:
                self._end_key(key.id)
        for family in self._store.all(RefreshFamily):
            if before < family.ts_expires <= now:
                self._revoke(Revoked(f"token:{family.id}"))
        for session in self._store.all(Session):
            if before < session.ts_created + ABSOLUTE_S * _S <= now:
                self._revoke(Revoked(f"session:{session.id}"))

        for credential in [each for each, ends in self._ending.items() if ends <= now]:
            del self._ending[credential]
            self._revoke(Revoked(credential))

    def end_at(self, credential: str, ts: int) -> None:
        """Revoke a credential at a time, in nanoseconds UTC. Of too many the oldest are revoked at once."""
        self._ending[credential] = ts
        self._ending.move_to_end(credential)
        if len(self._ending) > _MOST_ENDING:
            oldest, _ = self._ending.popitem(last=False)
            self._revoke(Revoked(oldest))

    def _changed(self, change: Change) -> None:
        record = change.record
        if change.kind is User:
            self._user_changed(change.id, record if isinstance(record, User) else None)
        elif change.kind is ApiKey:
            self._key_changed(change.id, record if isinstance(record, ApiKey) else None)
        elif change.kind is Role:
            self._role_changed(change.id, record if isinstance(record, Role) else None)
        elif change.kind is Signer:
            self._signer_changed(change.id, record if isinstance(record, Signer) else None)
        elif record is None and change.kind is Session:
            self._revoke(Revoked(f"session:{change.id}"))
        elif record is None and change.kind is RefreshFamily:
            self._revoke(Revoked(f"token:{change.id}"))

    def _user_changed(self, user: str, record: User | None) -> None:
        if record is None:
            self._versions.pop(user, None)
            self._revoke(Revoked(user=user))
            return
        before = self._versions.get(user, record.version)
        self._versions[user] = record.version
        if record.version != before or record.is_disabled:
            self._revoke(Revoked(user=user))

    def _role_changed(self, role: str, record: Role | None) -> None:
        before = self._roles.pop(role, ())
        rights = () if record is None else _rights_of_role(record)
        if record is not None:
            self._roles[role] = rights
        for user in self._store.all(User) if rights != before else ():
            if role in user.roles:
                self._revoke(Revoked(user=user.id))

    def _signer_changed(self, signer: str, record: Signer | None) -> None:
        if record is not None:
            self._signers[signer] = record.ts_expires
        # Whoever had it may have signed for any login. One that is over has signed nothing that is still good.
        elif self._signers.pop(signer, 0) > self._clock():
            for family in self._store.all(RefreshFamily):
                self._revoke(Revoked(f"token:{family.id}"))

    def _key_changed(self, key: str, record: ApiKey | None) -> None:
        if record is None or record.ts_revoked or 0 < record.ts_expires <= self._clock():
            self._rights.pop(key, None)
            self._end_key(key)
            return
        rights = _rights_of(record)
        before = self._rights.get(key, rights)
        self._rights[key] = rights
        if rights != before:
            self._end_key(key)

    def _end_key(self, key: str) -> None:
        """Of a key, and of the tokens that it was exchanged for."""
        self._revoke(Revoked(f"key:{key}"))
        for family in self._store.all(RefreshFamily):
            if family.key == key:
                self._revoke(Revoked(f"token:{family.id}"))

    def _revoke(self, revoked: Revoked) -> None:
        for listener in list(self._listeners):
            listener(revoked)


def _rights_of(key: ApiKey) -> tuple[object, ...]:
    return key.scopes, key.grants, key.cidrs


def _rights_of_role(role: Role) -> tuple[object, ...]:
    return role.scopes, role.grants
