"""Users and service accounts: made, changed, taken out, by those who may do what they can do."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from marketprism_application.access import granting
from marketprism_application.access.audit import Actor, Auditing
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import scopes_of
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.access_records import (
    ApiKey,
    Grant,
    RefreshFamily,
    Role,
    Session,
    User,
)
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError
from marketprism_application.ports.access_store import AccessStore, Stored


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be another; what is not set stays. `password` is a digest."""

    roles: tuple[str, ...] | UnsetType = UNSET
    grants: tuple[Grant, ...] | UnsetType | None = UNSET
    display: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    limits: str | UnsetType = UNSET
    is_disabled: bool | UnsetType = UNSET
    must_change: bool | UnsetType = UNSET
    password: str | UnsetType = UNSET


_RIGHTS = ("roles", "grants", "is_disabled", "password", "subject")


class Users:
    """The use cases of users. Who may administrate at all is looked at by whoever calls."""

    def __init__(self, store: AccessStore, auditing: Auditing, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._auditing = auditing
        self._clock = clock

    def find_role(self, name: str) -> Role | None:
        """A role of one's own by name."""
        return self._store.get(Role, name)

    def has_admin(self) -> bool:
        """Whether anybody can administrate."""
        return self._is_administrated_by_others_than("")

    def _is_administrated_by_others_than(self, left_out: str, role: Role | None = None) -> bool:
        def find(name: str) -> Role | None:
            return role if role is not None and role.id == name else self.find_role(name)

        return any(
            Scope.ACCESS in scopes_of(user.roles, find)
            for user in self._store.all(User)
            if user.id != left_out and not user.is_disabled
        )

    def check_leaves_admin(self, role: Role) -> None:
        """Raises AccessRefused: CONFLICT, with this role as it would be nobody could administrate any more."""
        if self.has_admin() and not self._is_administrated_by_others_than("", role):
            raise AccessRefused(Code.CONFLICT, "admin: expected one who remains, this is the last")

    async def create(self, actor: Actor, user: User) -> User:
        """The new user, as it is stored.

        Raises:
            QueryError: a field is wrong. AccessRefused: more rights than the actor has. RecordChanged: there is one.
        """
        granting.check_name("id", user.id)
        self._check(actor, user)
        now = self._clock()
        made = msgspec.structs.replace(user, version=1, ts_created=now, ts_changed=now)
        async with self._auditing.change(actor, "access.user_create", made.id, None, made):
            if await self._store.read(User, made.id) is None:
                await self._remove_issued(made.id)  # of one of this name who went while the store was away
            await self._store.write(made, 0)
        return made

    def _check(self, actor: Actor, user: User) -> None:
        granting.check_roles(user.roles, self.find_role)
        granting.check_grants(user.grants)
        granting.check_text("display", user.display)
        granting.check_limits(user.limits)
        self._check_subject(user)
        if user.is_service and user.password:
            raise QueryError("password: expected none for a service account, which has keys")
        granting.check_may_give(actor.principal, scopes_of(user.roles, self.find_role), user.grants)

    def _check_subject(self, user: User) -> None:
        granting.check_subject(user.subject)
        others = [each.id for each in self.by_subject(user.subject) if each.id != user.id]
        if others:
            raise AccessRefused(Code.CONFLICT, f"subject: expected one that nobody has, {others[0]} has it")

    def by_subject(self, subject: str) -> list[User]:
        """Whoever has this subject at an OpenID provider: one user or none, unless two were written at once."""
        return [each for each in self._store.all(User) if subject and each.subject == subject]

    async def change(self, actor: Actor, key: str, change: UserChange) -> User:
        """The user as it is afterwards. What was issued before a change of rights is no longer good.

        Raises:
            QueryError, AccessRefused: as `create`; NOT_FOUND, CONFLICT for the last admin. RecordChanged.
        """
        stored = await self._stored(key)
        before = stored.record
        granting.check_may_change(actor.principal, before, self.find_role)
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
        after = msgspec.structs.replace(before, **given, ts_changed=self._clock())
        if any(getattr(before, name) != getattr(after, name) for name in _RIGHTS):
            after = msgspec.structs.replace(after, version=before.version + 1)
        self._check(actor, after)
        if after.is_disabled or Scope.ACCESS not in scopes_of(after.roles, self.find_role):
            self._check_is_not_last(before)
        async with self._auditing.change(actor, "access.user_change", key, before, after):
            await self._store.write(after, stored.revision)
        return after

    async def set_password(self, actor: Actor, key: str, digest: str, *, must_change: bool = False) -> User:
        """The user with another password, chosen by itself or by an administrator; other logins are over.

        Raises:
            AccessRefused: NOT_FOUND. RecordChanged.
        """
        stored = await self._stored(key)
        before = stored.record
        after = msgspec.structs.replace(
            before,
            password=digest,
            must_change=must_change,
            version=before.version + 1,
            ts_changed=self._clock(),
        )
        async with self._auditing.change(actor, "access.password_change", key, before, after):
            await self._store.write(after, stored.revision)
        return after

    async def remove(self, actor: Actor, key: str) -> None:
        """Take a user out, with its keys and logins; from here on none of them is good.

        Raises:
            AccessRefused: NOT_FOUND, FORBIDDEN, CONFLICT for the last admin.
        """
        user = (await self._stored(key)).record
        granting.check_may_change(actor.principal, user, self.find_role)
        self._check_is_not_last(user)
        async with self._auditing.change(actor, "access.user_remove", key, user, None):
            await self._store.remove(User, key)
            await self._remove_issued(key)

    async def _remove_issued(self, user: str) -> None:
        """Take out all keys and logins of a user."""
        for owned in self._store.all(ApiKey):
            if owned.owner == user:
                await self._store.remove(ApiKey, owned.id)
        for family in self._store.all(RefreshFamily):
            if family.user == user:
                await self._store.remove(RefreshFamily, family.id)
        for session in self._store.all(Session):
            if session.user == user:
                await self._store.remove(Session, session.id)

    def _check_is_not_last(self, user: User) -> None:
        administrates = not user.is_disabled and Scope.ACCESS in scopes_of(user.roles, self.find_role)
        if administrates and not self._is_administrated_by_others_than(user.id):
            raise AccessRefused(Code.CONFLICT, "admin: expected one who remains, this is the last")

    async def _stored(self, key: str) -> Stored[User]:
        granting.check_name("user", key)
        stored = await self._store.read(User, key)
        if stored is None:
            raise AccessRefused(Code.NOT_FOUND, f"user: expected one that there is, was {key!r}")
        return stored
