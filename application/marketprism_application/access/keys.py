"""API keys: made for a user or a service account, changed, revoked. Whoever makes one sees it, once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from marketprism_application.access import granting
from marketprism_application.access.audit import Actor, Auditing
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import of_user, scopes_named, scopes_of
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.access_records import ApiKey, Grant, Role, User
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError
from marketprism_application.ports.access_store import AccessStore, RecordChanged, Stored

_ID = re.compile(r"[a-z0-9]{4,16}")
_HOUR_NS = 3_600 * 10**9
_DAY_NS = 24 * _HOUR_NS
LONGEST_DAYS = 3_650


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be another; what is not set stays."""

    name: str | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType | None = UNSET
    grants: tuple[Grant, ...] | UnsetType | None = UNSET
    cidrs: tuple[str, ...] | UnsetType = UNSET
    limits: str | UnsetType = UNSET
    rows_per_day: int | UnsetType = UNSET
    days: float | UnsetType | None = UNSET  # from now on; None: it does not expire


class Keys:
    """The use cases of keys."""

    def __init__(self, store: AccessStore, auditing: Auditing, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._auditing = auditing
        self._clock = clock

    def find_role(self, name: str) -> Role | None:
        """A role of one's own by name."""
        return self._store.get(Role, name)

    def expiry(self, days: float | None) -> int:
        """When a key that is good for so many days ends; 0 for one that does not. Raises QueryError."""
        if days is None:
            return 0
        if not 0 < days <= LONGEST_DAYS:
            raise QueryError(f"days: expected more than 0 and at most {LONGEST_DAYS}, was {days!r}")
        return self._clock() + int(days * _DAY_NS)

    async def create(self, actor: Actor, key: ApiKey) -> ApiKey:
        """The new key's record, as it is stored.

        Raises:
            QueryError: a field is wrong. AccessRefused: more rights than the actor or the owner has. RecordChanged.
        """
        self._check(actor, key)
        made = msgspec.structs.replace(key, ts_created=self._clock(), ts_revoked=0, ts_used=0)
        async with self._auditing.change(actor, "access.key_create", made.id, None, made):
            await self._store.write(made, 0)
        return made

    def _check(self, actor: Actor, key: ApiKey) -> None:
        granting.check_text("name", key.name)
        granting.check_grants(key.grants)
        granting.check_cidrs(key.cidrs)
        granting.check_limits(key.limits)
        granting.check_rows(key.rows_per_day)
        owner = self._store.get(User, key.owner)
        if owner is None:
            raise AccessRefused(Code.NOT_FOUND, f"owner: expected a user that there is, was {key.owner[:64]!r}")
        has = scopes_of(owner.roles, self.find_role)
        if key.scopes is not None:
            granting.check_scopes(key.scopes)
            beyond = sorted(scopes_named(key.scopes) - has)
            if beyond:
                text = f"scopes: expected those of {owner.id}, was {', '.join(beyond)} too"
                raise AccessRefused(Code.FORBIDDEN, text)
        wanted = has if key.scopes is None else scopes_named(key.scopes)
        own = actor.principal.is_person and actor.principal.name == key.owner
        grants = key.grants
        if grants is None and own:
            grants = ()  # what the owner sees, who asks
        elif grants is not None:
            granting.check_may_give(of_user(owner, self.find_role), frozenset(), grants)
        granting.check_may_give(actor.principal, wanted, grants)
        if key.limits and not actor.principal.may(Scope.ACCESS):
            raise AccessRefused(Code.FORBIDDEN, f"limits: expected {Scope.ACCESS}, {actor.principal.id} has it not")

    async def change(self, actor: Actor, key: str, change: KeyChange, owner: str | None = None) -> ApiKey:
        """The key as it is afterwards; `owner` restricts it to the keys of one user.

        Raises:
            QueryError, AccessRefused, RecordChanged: as `create`, and NOT_FOUND.
        """
        stored = await self._stored(key, owner)
        before = stored.record
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
        if "days" in given:
            given["ts_expires"] = self.expiry(given.pop("days"))
        after = msgspec.structs.replace(before, **given)
        self._check_owner(actor, before.owner)
        self._check(actor, after)
        async with self._auditing.change(actor, "access.key_change", key, before, after):
            return await self._write(stored, given, is_final=False)

    async def revoke(self, actor: Actor, key: str, owner: str | None = None) -> ApiKey:
        """The key, which is good no longer. Raises AccessRefused: NOT_FOUND."""
        stored = await self._stored(key, owner)
        before = stored.record
        if before.ts_revoked:
            return before
        self._check_owner(actor, before.owner)
        after = msgspec.structs.replace(before, ts_revoked=self._clock())
        async with self._auditing.change(actor, "access.key_revoke", key, before, after):
            return await self._write(stored, {"ts_revoked": after.ts_revoked}, is_final=True)

    async def _write(self, stored: Stored[ApiKey], given: Mapping[str, object], *, is_final: bool) -> ApiKey:
        """The key with these fields. That it was used meanwhile is no reason not to; of what is final, nothing is.

        Raises:
            RecordChanged: somebody else has changed it, or taken it out.
        """
        while True:
            after = msgspec.structs.replace(stored.record, **given)
            try:
                await self._store.write(after, stored.revision)
            except RecordChanged:
                newer = await self._store.read(ApiKey, after.id)
                if newer is None:
                    raise
                same = msgspec.structs.replace(newer.record, ts_used=stored.record.ts_used) == stored.record
                if not same and not is_final:
                    raise
                stored = newer
            else:
                return after

    def _check_owner(self, actor: Actor, owner: str) -> None:
        user = self._store.get(User, owner)
        if user is not None and actor.principal.name != owner:
            granting.check_may_change(actor.principal, user, self.find_role)

    async def note_use(self, key: str) -> None:
        """Write that a key was used, to the hour; another who writes it meanwhile is as good."""
        hour = self._clock() // _HOUR_NS * _HOUR_NS
        stored = await self._store.read(ApiKey, key)
        if stored is None or stored.record.ts_used >= hour:
            return
        try:
            await self._store.write(msgspec.structs.replace(stored.record, ts_used=hour), stored.revision)
        except RecordChanged:
            return

    async def _stored(self, key: str, owner: str | None) -> Stored[ApiKey]:
        stored = await self._store.read(ApiKey, key) if _ID.fullmatch(key) else None
        if stored is None or (owner is not None and stored.record.owner != owner):
            raise AccessRefused(Code.NOT_FOUND, f"key: expected one that there is, was {key[:64]!r}")
        return stored
