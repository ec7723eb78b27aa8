"""Roles of one's own, beside those that come with the product."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from marketprism_application.access import granting
from marketprism_application.access.administrators import gives_administration
from marketprism_application.access.audit import Actor, Auditing
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import scopes_named
from marketprism_application.access.scopes import ROLES
from marketprism_application.access.users import Users
from marketprism_application.contracts.access_records import Grant, Role, User
from marketprism_application.contracts.failures import Code
from marketprism_application.ports.access_store import AccessStore, Stored


class RoleChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be another; what is not set stays."""

    scopes: tuple[str, ...] | UnsetType = UNSET
    grants: tuple[Grant, ...] | UnsetType | None = UNSET
    description: str | UnsetType = UNSET


class Roles:
    """The use cases of roles."""

    def __init__(
        self, store: AccessStore, auditing: Auditing, users: Users, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._store = store
        self._auditing = auditing
        self._users = users
        self._clock = clock

    def all(self) -> list[Role]:
        """Every role by name, those of the product first."""
        own = self._store.all(Role)
        return [*(Role(id=name, scopes=tuple(sorted(ROLES[name]))) for name in ROLES), *own]

    async def create(self, actor: Actor, role: Role) -> Role:
        """The new role. Raises QueryError, AccessRefused, RecordChanged: there is one."""
        granting.check_name("id", role.id)
        self._check_is_own(role.id)
        self._check(actor, role)
        made = msgspec.structs.replace(role, ts_changed=self._clock())
        async with self._auditing.change(actor, "access.role_create", role.id, None, made):
            await self._store.write(made, 0)
        return made

    async def change(self, actor: Actor, key: str, change: RoleChange) -> Role:
        """The role as it is afterwards, for everybody who has it. Raises QueryError, AccessRefused, RecordChanged."""
        stored = await self._stored(key)
        before = stored.record
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
        after = msgspec.structs.replace(before, **given, ts_changed=self._clock())
        granting.check_may_give(actor.principal, scopes_named(before.scopes), ())
        self._check(actor, after)
        if gives_administration(before) and not gives_administration(after):
            await self._users.leave_admin(after)
        async with self._auditing.change(actor, "access.role_change", key, before, after):
            await self._store.write(after, stored.revision)
        return after

    async def remove(self, actor: Actor, key: str) -> None:
        """Take a role out that nobody has. Raises AccessRefused: NOT_FOUND, FORBIDDEN, CONFLICT."""
        stored = await self._stored(key)
        role = stored.record
        granting.check_may_give(actor.principal, scopes_named(role.scopes), ())
        having = [user.id for user in self._store.all(User) if key in user.roles]
        if having:
            raise AccessRefused(Code.CONFLICT, f"role: expected one that nobody has, {', '.join(having[:5])} has it")
        if gives_administration(role):
            await self._users.leave_admin(role)
        async with self._auditing.change(actor, "access.role_remove", key, role, None):
            # Only as it was read: somebody may have become the last who administrates, by this role.
            revision = await self._store.write(msgspec.structs.replace(role, scopes=()), stored.revision)
            await self._store.remove(Role, key, revision)

    @staticmethod
    def _check(actor: Actor, role: Role) -> None:
        granting.check_scopes(role.scopes)
        granting.check_grants(role.grants)
        granting.check_text("description", role.description)
        granting.check_may_give(actor.principal, scopes_named(role.scopes), role.grants)

    @staticmethod
    def _check_is_own(name: str) -> None:
        if name in ROLES:
            raise AccessRefused(Code.CONFLICT, f"role: expected one of your own, {name} comes with the product")

    async def _stored(self, key: str) -> Stored[Role]:
        self._check_is_own(key)
        granting.check_name("role", key)
        stored = await self._store.read(Role, key)
        if stored is None:
            raise AccessRefused(Code.NOT_FOUND, f"role: expected one that there is, was {key!r}")
        return stored
