"""`/api/v1/admin/…`: users, keys, roles and the audit log, for those who administrate."""

from __future__ import annotations

from aiohttp import web
from msgspec import UNSET, UnsetType

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_adapters.identity.passwords import Passwords
from marketprism_adapters.identity.shown_once import new_password
from marketprism_application.access.keys import KeyChange, Keys
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.roles import RoleChange, Roles
from marketprism_application.access.scopes import ROLES, Scope
from marketprism_application.access.users import UserChange, Users
from marketprism_application.contracts.access_records import ApiKey, Role, User
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError
from marketprism_application.ports.access_store import AccessStore, AuditLog
from marketprism_services.api.access.bodies import (
    KeyBody,
    KeyChangeBody,
    RoleBody,
    RoleChangeBody,
    UserBody,
    UserChangeBody,
    actor_of,
    body_of,
)
from marketprism_services.api.access.login import private
from marketprism_services.api.access.me import create_key, created
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.wiring.access_views import view_of_audit, view_of_key, view_of_role, view_of_user

_AUDIT_ROWS, _MOST_AUDIT_ROWS = 100, 1_000


class AdminApi:
    """The requests of administrators. None of them gives more rights than they have themselves."""

    def __init__(
        self, store: AccessStore, log: AuditLog, users: Users, keys: Keys, roles: Roles, passwords: Passwords
    ) -> None:
        self._store = store
        self._log = log
        self._users = users
        self._keys = keys
        self._roles = roles
        self._passwords = passwords

    def endpoints(self) -> list[Endpoint]:
        """Lists, and one of each: made, changed, taken out."""
        rows = [
            ("GET", "users", self._list_users),
            ("POST", "users", self._create_user),
            ("GET", "users/{id}", self._show_user),
            ("PATCH", "users/{id}", self._change_user),
            ("DELETE", "users/{id}", self._remove_user),
            ("GET", "keys", self._list_keys),
            ("POST", "keys", self._create_key),
            ("GET", "keys/{id}", self._show_key),
            ("PATCH", "keys/{id}", self._change_key),
            ("DELETE", "keys/{id}", self._revoke_key),
            ("GET", "roles", self._list_roles),
            ("POST", "roles", self._create_role),
            ("GET", "roles/{id}", self._show_role),
            ("PATCH", "roles/{id}", self._change_role),
            ("DELETE", "roles/{id}", self._remove_role),
        ]
        return [
            *(Endpoint(method, f"/api/v1/admin/{path}", handler, Scope.ACCESS) for method, path, handler in rows),
            Endpoint("GET", "/api/v1/admin/audit", self._audit, Scope.AUDIT),
        ]

    # -- users -----------------------------------------------------------------------------------------------------

    async def _list_users(self, request: web.Request) -> web.Response:
        found = [view_of_user(each) for each in self._store.all(User)]
        return private(answered(found, count_of(len(found), "user"), Stamp.of(request)))

    async def _show_user(self, request: web.Request) -> web.Response:
        user = self._store.get(User, request.match_info["id"])
        if user is None:
            raise _not_there("user", request)
        return private(answered(view_of_user(user), user.id, Stamp.of(request)))

    async def _create_user(self, request: web.Request) -> web.Response:
        body = await body_of(request, UserBody)
        password, chosen = body.password, bool(body.password)
        has_password = not body.service and (chosen or not body.subject)
        if has_password:
            password = password or new_password()
            self._passwords.check(password)
        user = User(
            id=body.id,
            roles=body.roles,
            display=body.display,
            subject=body.subject,
            grants=body.entitlements,
            limits=body.limits,
            rows_per_day=body.rows_per_day,
            is_service=body.service,
            must_change=has_password,
            password=await self._passwords.digest(password) if has_password else "",
        )
        if body.service and chosen:
            raise QueryError("password: expected none for a service account, which has keys")
        made = await self._users.create(actor_of(request, principal_of(request)), user)
        data = view_of_user(made)
        if password and not chosen:
            data |= {"password": password, "shown": "once"}
        return created(answered(data, made.id, Stamp.of(request)))

    async def _change_user(self, request: web.Request) -> web.Response:
        body = await body_of(request, UserChangeBody)
        digest: str | UnsetType = UNSET
        if isinstance(body.password, str):
            self._passwords.check(body.password)
            digest = await self._passwords.digest(body.password)
        change = UserChange(
            roles=body.roles,
            display=body.display,
            subject=body.subject,
            grants=body.entitlements,
            limits=body.limits,
            rows_per_day=body.rows_per_day,
            is_disabled=body.disabled,
            password=digest,
            must_change=UNSET if digest is UNSET else True,
        )
        actor = actor_of(request, principal_of(request))
        user = await self._users.change(actor, request.match_info["id"], change)
        return private(answered(view_of_user(user), user.id, Stamp.of(request)))

    async def _remove_user(self, request: web.Request) -> web.Response:
        await self._users.remove(actor_of(request, principal_of(request)), request.match_info["id"])
        return private(answered(None, "removed", Stamp.of(request)))

    # -- keys ------------------------------------------------------------------------------------------------------

    async def _list_keys(self, request: web.Request) -> web.Response:
        found = [view_of_key(each) for each in self._store.all(ApiKey)]
        return private(answered(found, count_of(len(found), "key"), Stamp.of(request)))

    async def _show_key(self, request: web.Request) -> web.Response:
        key = self._store.get(ApiKey, request.match_info["id"])
        if key is None:
            raise _not_there("key", request)
        return private(answered(view_of_key(key), key.id, Stamp.of(request)))

    async def _create_key(self, request: web.Request) -> web.Response:
        who, body = principal_of(request), await body_of(request, KeyBody)
        return await create_key(request, self._keys, body, body.owner or who.owner or who.name)

    async def _change_key(self, request: web.Request) -> web.Response:
        body = await body_of(request, KeyChangeBody)
        change = KeyChange(
            name=body.name,
            scopes=body.scopes,
            grants=body.entitlements,
            cidrs=body.cidrs,
            limits=body.limits,
            rows_per_day=body.rows_per_day,
            days=body.days,
        )
        actor = actor_of(request, principal_of(request))
        key = await self._keys.change(actor, request.match_info["id"], change)
        return private(answered(view_of_key(key), key.id, Stamp.of(request)))

    async def _revoke_key(self, request: web.Request) -> web.Response:
        key = await self._keys.revoke(actor_of(request, principal_of(request)), request.match_info["id"])
        return private(answered(view_of_key(key), "revoked", Stamp.of(request)))

    # -- roles -----------------------------------------------------------------------------------------------------

    async def _list_roles(self, request: web.Request) -> web.Response:
        found = [view_of_role(each, is_built_in=each.id in ROLES) for each in self._roles.all()]
        return private(answered(found, count_of(len(found), "role"), Stamp.of(request)))

    async def _show_role(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        role = next((each for each in self._roles.all() if each.id == wanted), None)
        if role is None:
            raise _not_there("role", request)
        return private(answered(view_of_role(role, is_built_in=wanted in ROLES), wanted, Stamp.of(request)))

    async def _create_role(self, request: web.Request) -> web.Response:
        body = await body_of(request, RoleBody)
        role = Role(id=body.id, scopes=body.scopes, grants=body.entitlements, description=body.description)
        made = await self._roles.create(actor_of(request, principal_of(request)), role)
        return created(answered(view_of_role(made, is_built_in=False), made.id, Stamp.of(request)))

    async def _change_role(self, request: web.Request) -> web.Response:
        body = await body_of(request, RoleChangeBody)
        change = RoleChange(scopes=body.scopes, grants=body.entitlements, description=body.description)
        actor = actor_of(request, principal_of(request))
        role = await self._roles.change(actor, request.match_info["id"], change)
        return private(answered(view_of_role(role, is_built_in=False), role.id, Stamp.of(request)))

    async def _remove_role(self, request: web.Request) -> web.Response:
        await self._roles.remove(actor_of(request, principal_of(request)), request.match_info["id"])
        return private(answered(None, "removed", Stamp.of(request)))

    # -- audit -----------------------------------------------------------------------------------------------------

    async def _audit(self, request: web.Request) -> web.Response:
        limit = _number(request, "limit", _MOST_AUDIT_ROWS) or _AUDIT_ROWS
        found = await self._log.newest(limit, _number(request, "before", 2**53))
        rows = [view_of_audit(seq, record) for seq, record in found]
        return private(answered(rows, count_of(len(rows), "record"), Stamp.of(request)))


def _number(request: web.Request, name: str, most: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
        raise QueryError(f"{name}: expected a number from 1 to {most}, was {text[:64]!r}")
    return int(text)


def _not_there(word: str, request: web.Request) -> AccessRefused:
    shown = request.match_info["id"][:64]
    return AccessRefused(Code.NOT_FOUND, f"{word}: expected one that there is, was {shown!r}")
