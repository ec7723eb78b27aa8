"""What somebody may do: from their record, the roles that there are, and the owner of a key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from marketprism_application.access.entitlements import EVERYTHING, Entitlement, Entitlements
from marketprism_application.access.limits import ANONYMOUS, LIMITS, class_of
from marketprism_application.access.principal import Principal, RowQuota
from marketprism_application.access.scopes import ROLES, Scope
from marketprism_application.contracts.access_records import ApiKey, Grant, Role, User

FindRole = Callable[[str], Role | None]
_KNOWN = frozenset(str(each) for each in Scope)


def scopes_named(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes among names; one that is not known gives nothing."""
    return frozenset(Scope(name) for name in names if name in _KNOWN)


def scopes_of(roles: Iterable[str], find: FindRole) -> frozenset[Scope]:
    """All scopes of roles; those that come with the product are not to be replaced. An unknown role gives nothing."""
    found: set[Scope] = set()
    for name in roles:
        if name in ROLES:
            found |= ROLES[name]
        elif (role := find(name)) is not None:
            found |= scopes_named(role.scopes)
    return frozenset(found)


def entitlements_of(grants: tuple[Grant, ...] | None) -> tuple[Entitlement, ...]:
    """What grants allow to be seen; None is everything."""
    if grants is None:
        return EVERYTHING
    return tuple(
        Entitlement(each.venues, each.symbols, each.kinds, each.history_days, each.delay_s, each.depth)
        for each in grants
    )


def _of_roles(roles: Iterable[str], find: FindRole) -> tuple[Entitlement, ...]:
    found: list[Entitlement] = []
    for name in roles:
        role = None if name in ROLES else find(name)
        if name in ROLES or (role is not None and role.grants is None):
            return EVERYTHING
        if role is not None:
            found += entitlements_of(role.grants)
    return tuple(found)


def of_user(user: User, find: FindRole, credential: str = "") -> Principal:
    """Whoever has logged in as a user, with the rights of this moment."""
    seen = _of_roles(user.roles, find)
    if user.grants is not None:
        seen = narrowed(seen, entitlements_of(user.grants))
    kind: Literal["service", "user"] = "service" if user.is_service else "user"
    limits = user.limits or class_of(user.roles)
    quota = RowQuota(f"user-{user.id}", user.rows_per_day or _rows_of(limits))
    scopes = scopes_of(user.roles, find)
    return Principal(kind, user.id, scopes, Entitlements(seen), "", limits, credential, (quota,))


def of_key(key: ApiKey, owner: User, find: FindRole) -> Principal:
    """Whoever has shown a key: never more than its owner is allowed at this moment."""
    owning = of_user(owner, find)
    scopes, seen = owning.scopes, owning.entitlements.granted
    if key.scopes is not None:
        scopes = scopes & scopes_named(key.scopes)
    if key.grants is not None:
        seen = narrowed(seen, entitlements_of(key.grants))
    name = owner.id if owner.is_service else key.id
    kind: Literal["service", "key"] = "service" if owner.is_service else "key"
    limits = key.limits or owning.limits
    quotas = _quotas_of(key, owning.quotas)
    return Principal(kind, name, scopes, Entitlements(seen), owner.id, limits, f"key:{key.id}", quotas)


def _quotas_of(key: ApiKey, owning: tuple[RowQuota, ...]) -> tuple[RowQuota, ...]:
    """Of a class of its own, its own alone; otherwise what the owner has left, and no more than the key may have."""
    own = RowQuota(f"key-{key.id}", key.rows_per_day or _rows_of(key.limits))
    if key.limits:
        return (own,)
    return (*owning, own) if key.rows_per_day else owning


def _rows_of(limits: str) -> int:
    return LIMITS.get(limits, ANONYMOUS).rows_per_day


def narrowed(outer: tuple[Entitlement, ...], inner: tuple[Entitlement, ...]) -> tuple[Entitlement, ...]:
    """What both allow to be seen. Patterns of which neither lies within the other have nothing in common here."""
    found = []
    for one in outer:
        for other in inner:
            venues, symbols, kinds = (
                _common(one.venues, other.venues),
                _common(one.symbols, other.symbols),
                _common(one.kinds, other.kinds),
            )
            if venues and symbols and kinds:
                found.append(
                    Entitlement(
                        venues,
                        symbols,
                        kinds,
                        _least(one.history_days, other.history_days),
                        _most(one.delay_s, other.delay_s),
                        _least(one.depth, other.depth),
                    )
                )
    return tuple(dict.fromkeys(found))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    pairs = ((a, b) for a in one for b in other)
    both = [b if _within(b, a) else a for a, b in pairs if _within(b, a) or _within(a, b)]
    return tuple(dict.fromkeys(both))


def _within(narrow: str, wide: str) -> bool:
    """Whether every name of one pattern is one of the other, as far as stars alone can say.

    A star of the wide one may stand for anything in the narrow one, also for its wildcards.
    """
    if narrow == wide:
        return True
    if wide == "*":
        return True
    if "?" in wide or "[" in wide or "[" in narrow:
        return False
    parts = wide.split("*")
    if len(parts) == 1:
        return False
    rest = narrow
    if not rest.startswith(parts[0]):
        return False
    rest = rest[len(parts[0]) :]
    for part in parts[1:-1]:
        at = rest.find(part)
        if at < 0:
            return False
        rest = rest[at + len(part) :]
    return rest.endswith(parts[-1])


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _most(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)
