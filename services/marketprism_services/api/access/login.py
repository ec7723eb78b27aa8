"""`/api/v1/auth/…`: logins of browsers and programs, their ends, and the public keys of tokens."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered
from marketprism_adapters.identity.passwords import Passwords
from marketprism_adapters.identity.shown_once import digest_of, family_id, is_digest_of, key_id, new_refresh_token
from marketprism_adapters.identity.tokens import LIFE_S, jwks
from marketprism_application.access.addresses import is_from
from marketprism_application.access.audit import Auditing
from marketprism_application.access.logins import Attempts, RefreshFamilies
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import of_key, of_user
from marketprism_application.access.scopes import Scope
from marketprism_application.access.users import Users
from marketprism_application.contracts.access_records import ApiKey, RefreshFamily, Session, Signer, User
from marketprism_application.contracts.failures import Code
from marketprism_application.ports.access_store import AccessStore, RecordChanged
from marketprism_services.api.access.bodies import (
    LoginBody,
    PasswordBody,
    RefreshBody,
    TokenBody,
    actor_of,
    body_of,
)
from marketprism_services.api.access.browser_sessions import BrowserSessions
from marketprism_services.api.access.credentials import check_page, cookie_of, set_cookie
from marketprism_services.api.access.signing import Signing
from marketprism_services.api.caller_address import address_of
from marketprism_services.api.endpoint import PRINCIPAL, Endpoint, principal_of

_SHOWN = 64  # letters of a name that nobody has yet been shown to have


class LoginApi:
    """The requests by which somebody comes and goes."""

    def __init__(
        self,
        store: AccessStore,
        auditing: Auditing,
        users: Users,
        sessions: BrowserSessions,
        passwords: Passwords,
        signing: Signing,
    ) -> None:
        self._store = store
        self._auditing = auditing
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._signing = signing
        self._attempts = Attempts(store)
        self._families = RefreshFamilies(store)
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    def endpoints(self) -> list[Endpoint]:
        """Anybody may come; only whoever is there may go, or change a password."""
        return [
            Endpoint("POST", "/api/v1/auth/login", self._login, None),
            Endpoint("POST", "/api/v1/auth/token", self._token, None),
            Endpoint("POST", "/api/v1/auth/refresh", self._refresh, None),
            Endpoint("POST", "/api/v1/auth/logout", self._logout, None),
            Endpoint("POST", "/api/v1/auth/password", self._password, Scope.KEYS),
            Endpoint("GET", "/api/v1/auth/jwks", self._jwks, None),
        ]

    # -- browsers --------------------------------------------------------------------------------------------------

    async def _login(self, request: web.Request) -> web.Response:
        check_page(request)
        body = await body_of(request, LoginBody)
        user = await self._recognised(request, body.user, body.password)
        async with self._auditing.change(actor_of(request, self._as(user)), "access.login", user.id):
            return await self._begin_session(request, user)

    async def _begin_session(self, request: web.Request, user: User) -> web.Response:
        begun = await self._sessions.begin(request, user)
        data: dict[str, object] = {
            "user": user.id,
            "roles": list(user.roles),
            "csrf": begun.csrf,
            "must_change": user.must_change,
            "expires": datetime.fromtimestamp(begun.ends_s, UTC).isoformat(),
        }
        response = private(answered(data, "logged in", Stamp.of(request)))
        begun.give(request, response)
        return response

    async def _recognised(self, request: web.Request, name: str, password: str) -> User:
        """The user of this name and password.

        Tries of one account from one address come one after the other, so that all of them are counted.

        Raises:
            AccessRefused: UNAUTHENTICATED, whichever of the two was wrong. LockedOut. Busy.
        """
        address = address_of(request)
        place = (name[:_SHOWN], address)
        lock, waiting = self._locks.get(place, (asyncio.Lock(), 0))
        self._locks[place] = (lock, waiting + 1)
        try:
            async with lock:
                self._attempts.check(name, address)
                user = self._store.get(User, name)
                good = await self._passwords.verify(user.password if user is not None else "", password)
                if user is None or not good or user.is_disabled or user.is_service:
                    await self._refused(request, name)
                    text = "login: expected a user and its password, was another"
                    raise AccessRefused(Code.UNAUTHENTICATED, text)
                await self._attempts.succeeded(name, address)
        finally:
            lock, waiting = self._locks[place]
            if waiting <= 1:
                del self._locks[place]
            else:
                self._locks[place] = (lock, waiting - 1)
        if self._passwords.is_old(user.password):
            await self._renew_digest(user, password)
        return user

    async def _refused(self, request: web.Request, name: str) -> None:
        await self._attempts.failed(name, address_of(request))
        shown = "".join(letter for letter in name[:_SHOWN] if letter.isprintable())
        nobody = Principal("user", shown, frozenset())
        await self._auditing.record(actor_of(request, nobody), "access.login", shown, "refused")

    async def _renew_digest(self, user: User, password: str) -> None:
        """The same password with today's parameters."""
        digest = await self._passwords.digest(password)
        stored = await self._store.read(User, user.id)
        if stored is None or stored.record.password != user.password:
            return
        try:
            await self._store.write(msgspec.structs.replace(stored.record, password=digest), stored.revision)
        except RecordChanged:
            return  # whoever was quicker has another password or other rights, which count

    async def _logout(self, request: web.Request) -> web.Response:
        who = request.get(PRINCIPAL)
        response = private(answered(None, "logged out", Stamp.of(request)))
        if who is not None and who.credential.startswith(("session:", "token:")):
            _, _, key = who.credential.partition(":")
            async with self._auditing.change(actor_of(request, who), "access.logout", who.name):
                if who.credential.startswith("session:"):
                    await self._store.remove(Session, key)
                else:
                    await self._families.end(key)
        if cookie_of(request):
            set_cookie(request, response, "", 0)
        return response

    async def _password(self, request: web.Request) -> web.Response:
        who = principal_of(request)
        if not who.is_person:
            raise AccessRefused(Code.FORBIDDEN, f"password: expected a person who has one, was {who.id}")
        body = await body_of(request, PasswordBody)
        await self._recognised(request, who.name, body.password)
        self._passwords.check(body.new)
        digest = await self._passwords.digest(body.new)
        user = await self._users.set_password(actor_of(request, who), who.name, digest)
        if cookie_of(request):
            return await self._begin_session(request, user)
        return private(answered({"user": user.id}, "changed: log in again", Stamp.of(request)))

    # -- programs --------------------------------------------------------------------------------------------------

    async def _token(self, request: web.Request) -> web.Response:
        check_page(request)
        body = await body_of(request, TokenBody)
        key = ""
        if body.grant == "key":
            found, user = self._by_key(body.key, address_of(request))
            key, subject = found.id, f"key:{found.id}"
            who = of_key(found, user, self._users.find_role)
        else:
            user = await self._recognised(request, body.user, body.password)
            if user.must_change:
                raise AccessRefused(Code.FORBIDDEN, "password: expected one that you chose, change it first")
            subject = f"user:{user.id}"
            who = self._as(user)
        refresh = new_refresh_token()
        async with self._auditing.change(actor_of(request, who), "access.token_issue", subject):
            await self._families.begin(user, refresh.id, refresh.digest, key, address_of(request))
        return await self._issued(request, subject, refresh.id, user.version, refresh.text)

    def _by_key(self, text: str, address: str) -> tuple[ApiKey, User]:
        found = key_id(text)
        key = None if found is None else self._store.get(ApiKey, found)
        if key is None or not is_digest_of(key.digest, text):
            raise AccessRefused(Code.UNAUTHENTICATED, "key: expected one that there is, was another")
        owner = self._store.get(User, key.owner)
        if _is_over(key) or owner is None or owner.is_disabled:
            raise AccessRefused(Code.KEY_REVOKED, f"key: expected one that is valid, {key.id} is not any more")
        if not is_from(address, key.cidrs):
            raise AccessRefused(Code.ADDRESS, f"address: expected one of the key's networks, was {address}")
        return key, owner

    async def _refresh(self, request: web.Request) -> web.Response:
        check_page(request)
        body = await body_of(request, RefreshBody)
        family = family_id(body.refresh)
        if family is None:
            raise AccessRefused(Code.TOKEN_INVALID, "refresh: expected a token of a login that goes on, was another")
        stored = await self._store.read(RefreshFamily, family)
        if stored is None:  # nobody's, which anybody can make up: not to be recorded
            raise AccessRefused(Code.TOKEN_INVALID, "refresh: expected a token of a login that goes on, was another")
        following = new_refresh_token(family)
        login = stored.record
        who = Principal("user", login.user, frozenset(), credential=f"token:{family}")
        if login.key:
            who = replace(who, kind="key", name=login.key, owner=login.user)
        async with self._auditing.change(actor_of(request, who), "access.token_refresh", who.id):
            login = await self._families.rotate(family, digest_of(body.refresh), following.digest)
            user = self._store.get(User, login.user)
            if user is None or not self._goes_on(login, user):
                await self._families.end(family)
                text = "refresh: expected a token of a login that goes on, was another"
                raise AccessRefused(Code.TOKEN_INVALID, text)
        return await self._issued(request, who.id, family, user.version, following.text)

    def _goes_on(self, login: RefreshFamily, user: User) -> bool:
        if not login.key:
            return not user.is_disabled and user.version == login.version
        key = self._store.get(ApiKey, login.key)
        return key is not None and not _is_over(key) and not user.is_disabled

    async def _issued(
        self, request: web.Request, subject: str, family: str, version: int, refresh: str
    ) -> web.Response:
        token = await self._signing.sign(subject, family, version, secrets.token_hex(8))
        data = {"access": token, "expires_in": LIFE_S, "refresh": refresh, "token_type": "Bearer"}
        return private(answered(data, "logged in", Stamp.of(request)))

    async def _jwks(self, _: web.Request) -> web.Response:
        """As RFC 7517 has it, in no envelope: libraries read it."""
        body = msgspec.json.encode(jwks(self._store.all(Signer), time.time_ns()))
        return web.Response(body=body, content_type="application/jwk-set+json")

    def _as(self, user: User) -> Principal:
        return of_user(user, self._users.find_role)


def _is_over(key: ApiKey) -> bool:
    return bool(key.ts_revoked) or 0 < key.ts_expires <= time.time_ns()


def private(response: web.Response) -> web.Response:
    """The answer, which nobody on the way may store."""
    response.headers["Cache-Control"] = "no-store"
    return response
