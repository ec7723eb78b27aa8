"""Users and service accounts: made, changed, taken out, by those who may do what they can do."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from marketprism_application.access import granting
from marketprism_application.access.administrators import Administrators, administrates
from marketprism_application.access.audit import Actor, Auditing
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import scopes_of
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
    rows_per_day: int | UnsetType = UNSET
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
        self._administrators = Administrators(store)

    def find_role(self, name: str) -> Role | None:
        """A role of one's own by name."""
        return self._store.get(Role, name)

    def has_admin(self) -> bool:
        """Whether anybody can administrate."""
        return self._administrators.exist()

    async def leave_admin(self, role: Role) -> None:
        """Have one remain who can administrate without this role.

        Raises:
            AccessRefused: CONFLICT, nobody could any more. RecordChanged. What the store raises.
        """
        if self.has_admin():
            await self._administrators.hold_another(role=role.id)

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
        granting.check_rows(user.rows_per_day)
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
        if administrates(before, self.find_role):
            if administrates(after, self.find_role):
                await self._administrators.hold_roles_of(after)
            else:
                await self._administrators.hold_another(before.id)
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
            AccessRefused: NOT_FOUND, FORBIDDEN, CONFLICT for the last admin. RecordChanged.
        """
        stored = await self._stored(key)
        user = stored.record
        granting.check_may_change(actor.principal, user, self.find_role)
        if administrates(user, self.find_role):
            await self._administrators.hold_another(user.id)
        async with self._auditing.change(actor, "access.user_remove", key, user, None):
            # Only as it was read: it may have become the last who administrates.
            leaving = msgspec.structs.replace(user, is_disabled=True, version=user.version + 1)
            revision = await self._store.write(leaving, stored.revision)
            await self._store.remove(User, key, revision)
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

    async def _stored(self, key: str) -> Stored[User]:
        granting.check_name("user", key)
        stored = await self._store.read(User, key)
        if stored is None:
            raise AccessRefused(Code.NOT_FOUND, f"user: expected one that there is, was {key!r}")
        return stored
