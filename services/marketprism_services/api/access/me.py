"""`/api/v1/me`: who asks, and their own keys and sessions."""

from __future__ import annotations

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_adapters.identity.shown_once import csrf_of, new_api_key
from marketprism_application.access.audit import Auditing
from marketprism_application.access.keys import Keys
from marketprism_application.access.logins import RefreshFamilies, Sessions
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.row_quotas import RowQuotas
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.access_records import ApiKey, RefreshFamily, Session, User
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError
from marketprism_application.ports.access_store import AccessStore
from marketprism_services.api.access.bodies import KeyBody, actor_of, body_of
from marketprism_services.api.access.credentials import cookie_of
from marketprism_services.api.access.login import private
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.wiring.access_views import view_of_family, view_of_key, view_of_principal, view_of_session


class MeApi:
    """What everybody may do for themselves."""

    def __init__(
        self,
        store: AccessStore,
        auditing: Auditing,
        keys: Keys,
        sessions: Sessions,
        families: RefreshFamilies,
        quotas: RowQuotas,
    ) -> None:
        self._store = store
        self._auditing = auditing
        self._keys = keys
        self._sessions = sessions
        self._families = families
        self._quotas = quotas

    def endpoints(self) -> list[Endpoint]:
        """Who asks; keys and sessions of whoever asks."""
        return [
            Endpoint("GET", "/api/v1/me", self._me, Scope.KEYS),
            Endpoint("GET", "/api/v1/me/keys", self._list_keys, Scope.KEYS),
            Endpoint("POST", "/api/v1/me/keys", self._create_key, Scope.KEYS),
            Endpoint("DELETE", "/api/v1/me/keys/{id}", self._revoke_key, Scope.KEYS),
            Endpoint("GET", "/api/v1/me/sessions", self._list_sessions, Scope.KEYS),
            Endpoint("DELETE", "/api/v1/me/sessions/{id}", self._end_session, Scope.KEYS),
        ]

    async def _me(self, request: web.Request) -> web.Response:
        who = principal_of(request)
        data = view_of_principal(who)
        data["rows"] = [
            {"account": each.account, "per_day": each.rows, "used": self._quotas.used(each.account)}
            for each in who.quotas
        ]
        user = self._store.get(User, who.user) if who.user else None
        data["roles"] = [] if user is None else list(user.roles)
        data["display"] = "" if user is None else user.display
        data["has_password"] = user is not None and who.is_person and bool(user.password)
        data["must_change"] = user is not None and who.is_person and user.must_change
        if who.credential.startswith("session:"):
            data["csrf"] = csrf_of(cookie_of(request))
        return private(answered(data, who.id, Stamp.of(request)))

    async def _list_keys(self, request: web.Request) -> web.Response:
        owner = _user_of(principal_of(request))
        found = [view_of_key(key) for key in self._store.all(ApiKey) if key.owner == owner]
        return private(answered(found, count_of(len(found), "key"), Stamp.of(request)))

    async def _create_key(self, request: web.Request) -> web.Response:
        who = principal_of(request)
        if not who.is_person:
            raise AccessRefused(Code.FORBIDDEN, f"key: expected a person to make one of their own, was {who.id}")
        body = await body_of(request, KeyBody)
        if body.owner not in ("", who.name):
            raise QueryError(f"owner: expected {who.name} or none, was {body.owner[:64]!r}")
        return await create_key(request, self._keys, body, who.name)

    async def _revoke_key(self, request: web.Request) -> web.Response:
        who = principal_of(request)
        key = await self._keys.revoke(actor_of(request, who), request.match_info["id"], _user_of(who))
        return private(answered(view_of_key(key), "revoked", Stamp.of(request)))

    async def _list_sessions(self, request: web.Request) -> web.Response:
        who = principal_of(request)
        user = self._store.get(User, _user_of(who))
        current = who.credential.partition(":")[2]
        found = [] if user is None else [view_of_session(each, current) for each in self._sessions.of_user(user)]
        found += [] if user is None else [view_of_family(each, current) for each in self._families.of_user(user)]
        return private(answered(found, count_of(len(found), "session"), Stamp.of(request)))

    async def _end_session(self, request: web.Request) -> web.Response:
        who, key = principal_of(request), request.match_info["id"]
        found = self._store.get(Session, key), self._store.get(RefreshFamily, key)
        session = found[0] or found[1]
        if session is None or session.user != _user_of(who):
            raise AccessRefused(Code.NOT_FOUND, f"session: expected one of your own, was {key[:64]!r}")
        async with self._auditing.change(actor_of(request, who), "access.session_end", key):
            await (self._store.remove(Session, key) if found[0] is not None else self._families.end(key))
        return private(answered(None, "ended", Stamp.of(request)))


def _user_of(who: Principal) -> str:
    """The user whose keys and sessions these are."""
    if not who.user:
        raise AccessRefused(Code.FORBIDDEN, f"me: expected a user who has logged in, was {who.id}")
    return who.user


async def create_key(request: web.Request, keys: Keys, body: KeyBody, owner: str) -> web.Response:
    """A key for an owner, whose text is in this answer and nowhere else."""
    secret = new_api_key()
    key = ApiKey(
        id=secret.id,
        owner=owner,
        digest=secret.digest,
        name=body.name,
        scopes=body.scopes,
        grants=body.entitlements,
        cidrs=body.cidrs,
        limits=body.limits,
        rows_per_day=body.rows_per_day,
        ts_expires=keys.expiry(body.days),
    )
    made = await keys.create(actor_of(request, principal_of(request)), key)
    data = {**view_of_key(made), "key": secret.text, "shown": "once"}
    return created(answered(data, made.id, Stamp.of(request)))


def created(response: web.Response) -> web.Response:
    """The answer to what made something, which nobody on the way may store."""
    response.set_status(201)
    return private(response)
