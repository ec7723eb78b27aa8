"""Somebody can always administrate, whoever takes out whom at the same moment.

Whoever takes the right from one record has read it, then writes another administrator's record as it is, and then
writes the first at the revision that was read. So of two who take each other out at two instances, at least one finds
that its own victim was written meanwhile: each writes what the other one read. The same holds for longer rings.
"""

from __future__ import annotations

from collections.abc import Iterator

from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import FindRole, scopes_of
from marketprism_application.access.scopes import ROLES, Scope
from marketprism_application.contracts.access_records import Role, User
from marketprism_application.contracts.failures import Code
from marketprism_application.ports.access_store import AccessStore, RecordChanged

_TRIES = 5


def administrates(user: User, find: FindRole) -> bool:
    """Whether a user may administrate."""
    return not user.is_disabled and Scope.ACCESS in scopes_of(user.roles, find)


def gives_administration(role: Role) -> bool:
    """Whether whoever has a role may administrate."""
    return Scope.ACCESS in role.scopes


class Administrators:
    """Those who may administrate, by the store."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def exist(self) -> bool:
        """Whether there is any, as far as is known here."""
        return any(administrates(user, lambda name: self._store.get(Role, name)) for user in self._store.all(User))

    async def hold_another(self, user: str = "", role: str = "") -> None:
        """Have one remain who is not this user, and needs not this role.

        Raises:
            AccessRefused: CONFLICT, there is none. RecordChanged: somebody changes it at this moment. What the store
            raises.
        """
        for candidate in self._candidates(user, role):
            for _ in range(_TRIES):
                try:
                    if not await self._hold(candidate, role):
                        break
                except RecordChanged:
                    continue
                return
        raise AccessRefused(Code.CONFLICT, "admin: expected one who remains, this is the last")

    async def hold_roles_of(self, user: User) -> None:
        """Have the roles of somebody who administrates go on to give it, where those of the product do not.

        Raises:
            AccessRefused: CONFLICT, none does any more. RecordChanged. What the store raises.
        """
        if not await self._hold_role(user, ""):
            raise AccessRefused(Code.CONFLICT, "admin: expected one who remains, this is the last")

    def _candidates(self, user: str, role: str) -> Iterator[str]:
        """Whoever seems to do, those first who need no role of one's own."""

        def find(name: str) -> Role | None:
            return None if name == role else self._store.get(Role, name)

        found = [each for each in self._store.all(User) if each.id != user and administrates(each, find)]
        yield from (each.id for each in sorted(found, key=lambda each: not _is_by_product(each)))

    async def _hold(self, user: str, role: str) -> bool:
        """Write somebody as it is, if it administrates without this role. Raises RecordChanged."""
        stored = await self._store.read(User, user)
        if stored is None or stored.record.is_disabled or not await self._hold_role(stored.record, role):
            return False
        await self._store.write(stored.record, stored.revision)
        return True

    async def _hold_role(self, user: User, left_out: str) -> bool:
        if _is_by_product(user):
            return True
        for name in user.roles:
            stored = None if name in ROLES or name == left_out else await self._store.read(Role, name)
            if stored is not None and gives_administration(stored.record):
                await self._store.write(stored.record, stored.revision)
                return True
        return False


def _is_by_product(user: User) -> bool:
    return any(Scope.ACCESS in ROLES[name] for name in user.roles if name in ROLES)
