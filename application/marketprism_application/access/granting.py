"""Who may give which rights to whom, and which names and patterns a record may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

from marketprism_application.access.addresses import network
from marketprism_application.access.entitlements import Entitlement
from marketprism_application.access.limits import LIMITS
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import FindRole, entitlements_of, narrowed, scopes_of
from marketprism_application.access.scopes import ROLES, Scope
from marketprism_application.contracts.access_records import Grant, User
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_PATTERN = re.compile(r"[\w.:*-]{1,64}")
_MOST = 64
_DISPLAY = 128
_SUBJECT = 512
_MOST_ROWS = 10**15


def check_name(field: str, name: str) -> None:
    """Raises QueryError: a name that no record may have."""
    if not _NAME.fullmatch(name):
        raise QueryError(f"{field}: expected 1 to 32 of a-z, 0-9, - and _, beginning with a letter, was {name[:64]!r}")


def check_text(field: str, text: str) -> None:
    """Raises QueryError: a text that is too long, or that a terminal would obey."""
    if len(text) > _DISPLAY or not text.isprintable():
        raise QueryError(f"{field}: expected at most {_DISPLAY} printable letters, was {text[:64]!r}")


def check_subject(subject: str) -> None:
    """Raises QueryError: it does not say whose it is, as `https://login.example 24400320`."""
    issuer, _, name = subject.partition(" ")
    good = "://" in issuer and name and len(subject) <= _SUBJECT and subject.isprintable()
    if subject and not good:
        shown = subject[:120]
        raise QueryError(
            f"subject: expected an issuer's URL, a space and a subject, at most {_SUBJECT} letters, was {shown!r}"
        )


def check_scopes(scopes: Iterable[str]) -> None:
    """Raises QueryError: a scope that there is not."""
    known = {str(each) for each in Scope}
    for name in scopes:
        if name not in known:
            raise QueryError(f"scopes: expected some of {', '.join(sorted(known))}, was {name[:64]!r}")


def check_roles(roles: tuple[str, ...], find: FindRole) -> None:
    """Raises QueryError: no role, or one that there is not."""
    if not roles:
        raise QueryError("roles: expected at least one, was none")
    for name in roles:
        if name not in ROLES and find(name) is None:
            raise QueryError(f"roles: expected roles that there are, was {name[:64]!r}")


def check_grants(grants: tuple[Grant, ...] | None) -> None:
    """Raises QueryError: patterns that are none, or too many."""
    if grants is None:
        return
    if len(grants) > _MOST:
        raise QueryError(f"grants: expected at most {_MOST}, was {len(grants)}")
    for grant in grants:
        for field in ("venues", "symbols", "kinds"):
            patterns: tuple[str, ...] = getattr(grant, field)
            if not patterns or len(patterns) > _MOST:
                raise QueryError(f"grants.{field}: expected 1 to {_MOST} patterns, was {len(patterns)}")
            for pattern in patterns:
                if not _PATTERN.fullmatch(pattern):
                    raise QueryError(f"grants.{field}: expected a name in which * is any text, was {pattern[:64]!r}")
        for field in ("history_days", "delay_s", "depth"):
            bound = getattr(grant, field)
            if bound is not None and not 0 <= bound <= 10**6:
                raise QueryError(f"grants.{field}: expected 0 to 1000000, was {bound!r}")


def check_cidrs(cidrs: tuple[str, ...]) -> None:
    """Raises QueryError: a network that is none."""
    if len(cidrs) > _MOST:
        raise QueryError(f"cidrs: expected at most {_MOST}, was {len(cidrs)}")
    for cidr in cidrs:
        try:
            network(cidr)
        except ValueError as error:
            raise QueryError(f"cidrs: expected networks like 10.1.0.0/16, was {cidr[:64]!r}") from error


def check_limits(name: str) -> None:
    """Raises QueryError: a class of limits that there is not."""
    if name and name not in LIMITS:
        raise QueryError(f"limits: expected one of {', '.join(LIMITS)}, was {name[:64]!r}")


def check_rows(rows: int) -> None:
    """Raises QueryError: a number of rows that no quota has."""
    if not 0 <= rows <= _MOST_ROWS:
        raise QueryError(f"rows_per_day: expected 0 to {_MOST_ROWS}, was {rows!r}")


def check_may_give(giver: Principal, scopes: frozenset[Scope], grants: tuple[Grant, ...] | None) -> None:
    """Nobody gives more than they have.

    Raises:
        AccessRefused: FORBIDDEN, a scope or data beyond the giver's own.
    """
    beyond = sorted(scopes - giver.scopes)
    if beyond:
        raise AccessRefused(Code.FORBIDDEN, f"scopes: expected those of {giver.id}, was {', '.join(beyond)} too")
    if giver.entitlements.is_unbounded:
        return
    if not _is_within(entitlements_of(grants), giver.entitlements.granted):
        raise AccessRefused(Code.FORBIDDEN, f"grants: expected what {giver.id} may see itself, was more")


def _is_within(inner: tuple[Entitlement, ...], outer: tuple[Entitlement, ...]) -> bool:
    return all(any(narrowed((wide,), (each,)) == (each,) for wide in outer) for each in inner)


def check_may_change(actor: Principal, user: User, find: FindRole) -> None:
    """Nobody changes somebody who may do more.

    Raises:
        AccessRefused: FORBIDDEN.
    """
    beyond = sorted(scopes_of(user.roles, find) - actor.scopes)
    if beyond:
        text = f"user: expected one who may do no more than {actor.id}, {user.id} has {', '.join(beyond)}"
        raise AccessRefused(Code.FORBIDDEN, text)
