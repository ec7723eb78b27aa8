"""Users who log in at an OpenID provider: found by their subject there, made when they come for the first time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from marketprism_application.access import granting
from marketprism_application.access.audit import Actor
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.scopes import ROLES, Scope
from marketprism_application.access.users import UserChange, Users
from marketprism_application.contracts.access_records import User
from marketprism_application.contracts.failures import Code
from marketprism_application.ports.access_store import AccessStore, RecordChanged

PROVIDER = Principal("service", "oidc", frozenset(Scope))  # who changes what the provider decides
_TRIES = 3
_SHOWN, _DISPLAY = 5, 128


class Federation:
    """With `roles` (a value of the provider's claim and our role) the provider decides who comes in, and as what.

    Without any, only those come in whom an administrator has given their subject, with the roles that they have.
    """

    def __init__(self, store: AccessStore, users: Users, issuer: str, roles: Mapping[str, str]) -> None:
        self._store = store
        self._users = users
        self._issuer = issuer
        self._roles = roles

    def subject_of(self, name: str) -> str:
        """A subject of the provider, as records of users have it."""
        return f"{self._issuer} {name}"

    def roles_of(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Our roles for the values of the claim; values that mean nothing here are left out.

        Raises:
            AccessRefused: FORBIDDEN, none of them means anything here, or a role that it means is not there.
        """
        found = tuple(dict.fromkeys(self._roles[value] for value in values if value in self._roles))
        if not found:
            shown = ", ".join(values[:_SHOWN])[:120] or "none"
            raise AccessRefused(Code.FORBIDDEN, f"roles: expected one that means something here, was {shown!r}")
        for role in found:
            if role not in ROLES and self._users.find_role(role) is None:
                text = f"roles: expected a role that there is, api.oidc.role_map has {role[:64]!r}"
                raise AccessRefused(Code.FORBIDDEN, text)
        return found

    def known(self, name: str) -> User | None:
        """The user of a subject.

        Raises:
            AccessRefused: CONFLICT, there are several; FORBIDDEN, it is disabled.
        """
        found = self._users.by_subject(self.subject_of(name))
        if len(found) > 1:
            text = f"subject: expected one user, {', '.join(each.id for each in found[:_SHOWN])} have it"
            raise AccessRefused(Code.CONFLICT, text)
        if found and found[0].is_disabled:
            raise AccessRefused(Code.FORBIDDEN, f"user: expected one who may come in, {found[0].id} is disabled")
        return found[0] if found else None

    async def enter(self, name: str, display: str, values: tuple[str, ...] | None, actor: Actor) -> User:
        """The user of a subject, with the roles that the provider says.

        Raises:
            AccessRefused: not let in; the text says why. What the store and the log raise.
        """
        roles = self.roles_of(values or ()) if self._roles else ()
        for left in reversed(range(_TRIES)):
            user = self.known(name)
            try:
                if user is None:
                    return await self._create(name, display, roles, actor)
                if not roles or set(roles) == set(user.roles):
                    return user
                return await self._users.change(actor, user.id, UserChange(roles=roles))
            except RecordChanged:  # another instance was quicker: as it has it
                if not left:
                    raise
                await self._store.read(User, self._id_of(name) if user is None else user.id)
        raise AssertionError

    async def _create(self, name: str, display: str, roles: tuple[str, ...], actor: Actor) -> User:
        if not roles:
            raise AccessRefused(Code.FORBIDDEN, f"user: expected one whose subject is known here, was {name[:64]!r}")
        shown = "".join(letter for letter in display if letter.isprintable())[:_DISPLAY]
        subject = self.subject_of(name)
        granting.check_subject(subject)
        return await self._users.create(actor, User(id=self._id_of(name), roles=roles, display=shown, subject=subject))

    def _id_of(self, name: str) -> str:
        """A name that nobody chooses: what the provider lets people call themselves is nobody's account here."""
        return f"oidc-{hashlib.sha256(self.subject_of(name).encode()).hexdigest()[:20]}"
