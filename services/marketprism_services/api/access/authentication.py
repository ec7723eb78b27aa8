"""Who asks: a key, a token, a session, or whoever is on this machine; with the rights of this moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from aiohttp import web

from marketprism_adapters.identity.shown_once import is_digest_of, key_id, session_id
from marketprism_adapters.identity.tokens import TokenVerifier
from marketprism_application.access.addresses import is_from
from marketprism_application.access.gcra import Gcra, Rate
from marketprism_application.access.keys import Keys
from marketprism_application.access.logins import Sessions
from marketprism_application.access.principal import LOCAL, Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import of_key, of_user
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.access_records import ApiKey, RefreshFamily, Session, Signer, User
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError
from marketprism_application.ports.access_store import AccessStore, R
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_services.api.access.credentials import (
    check_csrf,
    check_page,
    check_url,
    is_safe,
    is_to_check,
    shown_by,
)
from marketprism_services.api.access.provider_tokens import ProviderTokens
from marketprism_services.api.access.ways_in import WAYS_IN
from marketprism_services.api.caller_address import address_of
from marketprism_services.settings.api import ApiSettings
from marketprism_services.settings.oidc import CALLBACK, LOGIN

log = structlog.get_logger()

EVERYBODY = Principal("local", "everybody", frozenset(Scope), limits="local")
_SILENT_S = 5.0  # a revocation cannot be heard of: nobody is let in any more
_OPEN = frozenset({WAYS_IN, "/api/v1/auth/login", "/api/v1/auth/token", "/api/v1/auth/refresh", LOGIN, CALLBACK})
_BEFORE_CHANGE = frozenset({"/api/v1/auth/password", "/api/v1/auth/logout", "/api/v1/me"})
_HOUR_NS = 3_600 * 10**9


class Unreachable(ApplicationError):
    """What is stored about access is not known to be true any more."""

    code = Code.UNAVAILABLE


class Authentication:
    """Finds out who asks.

    What is not in memory is looked up in the store, a few times a second: another instance may have written it a moment
    ago.
    """

    def __init__(
        self,
        store: AccessStore,
        keys: Keys,
        sessions: Sessions,
        settings: ApiSettings,
        is_of_this_machine: Callable[[web.Request], bool],
        provider_tokens: ProviderTokens | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._sessions = sessions
        self._settings = settings
        self._is_of_this_machine = is_of_this_machine
        self._provider_tokens = provider_tokens
        self._verifier = TokenVerifier(time.time)
        self._looks = Gcra(Rate(20, 20))
        self._noting: dict[str, asyncio.Task[None]] = {}
        self.forget_token_keys = self._verifier.forget

    async def authenticate(self, request: web.Request) -> Principal | None:
        """Who asks, None where nobody can tell.

        Raises:
            ApplicationError: what is shown is no good; its code says why. SdkError: the store does not answer.
        """
        check_url(request)
        if self._settings.auth == "off":
            return EVERYBODY
        if request.path in _OPEN:
            return None
        shown = shown_by(request)
        found: Principal | None = None
        if shown is not None:
            self._check_hears()
            if shown.is_session:
                found = await self._by_session(request, shown.text)
            else:
                found = await self._by_text(shown.text, address_of(request))
        if found is None and self._settings.auth == "local" and self._is_of_this_machine(request):
            if is_to_check(request):
                check_page(request, self._settings.cors_origins)
            return LOCAL
        return found

    async def authenticate_text(self, text: str, /, *, address: str) -> Principal:
        """Who shows a key or a token in a message, from an address.

        Raises:
            ApplicationError: it is no good; its code says why. SdkError: the store does not answer.
        """
        if self._settings.auth == "off":
            return EVERYBODY
        self._check_hears()
        return await self._by_text(text, address)

    def _check_hears(self) -> None:
        if self._store.silent_s() > _SILENT_S:
            raise Unreachable("access: expected to hear of revocations, NATS is away", retryable=True)

    # -- by each kind of credential --------------------------------------------------------------------------------

    async def _by_text(self, text: str, address: str) -> Principal:
        if text.startswith("mp_"):
            return await self._by_key(text, address)
        if self._provider_tokens is not None and self._provider_tokens.is_theirs(text):
            return await self._provider_tokens.principal_of(text, address)
        return await self._by_token(text, address)

    async def _by_key(self, text: str, address: str) -> Principal:
        found = key_id(text)
        key = None if found is None else await self._look(ApiKey, found)
        if key is None or not is_digest_of(key.digest, text):
            raise AccessRefused(Code.UNAUTHENTICATED, "key: expected one that there is, was another")
        who = self._of_key(key, address)
        now = time.time_ns()
        if now - key.ts_used >= _HOUR_NS:
            self._note(f"key:{key.id}", lambda: self._keys.note_use(key.id))
        return who

    def _of_key(self, key: ApiKey, address: str) -> Principal:
        if key.ts_revoked:
            raise AccessRefused(Code.KEY_REVOKED, f"key: expected one that is valid, {key.id} was revoked")
        if key.ts_expires and key.ts_expires <= time.time_ns():
            raise AccessRefused(Code.KEY_REVOKED, f"key: expected one that is valid, {key.id} has expired")
        owner = self._store.get(User, key.owner)
        if owner is None or owner.is_disabled:
            raise AccessRefused(Code.KEY_REVOKED, f"key: expected one that is valid, the owner of {key.id} is gone")
        if not is_from(address, key.cidrs):
            raise AccessRefused(Code.ADDRESS, f"address: expected one of the key's networks, was {address}")
        return of_key(key, owner, self._keys.find_role)

    async def _by_token(self, text: str, address: str) -> Principal:
        signer = await self._look(Signer, TokenVerifier.kid_of(text))
        claims = self._verifier.verify(text, signer)
        family = await self._look(RefreshFamily, claims.family)
        subject, _, name = claims.subject.partition(":")
        if family is None:
            raise AccessRefused(Code.TOKEN_INVALID, "token: expected one of a login that goes on, it is over")
        credential = f"token:{family.id}"
        if subject == "key":
            key = self._store.get(ApiKey, name)
            if key is None:
                raise AccessRefused(Code.KEY_REVOKED, "key: expected one that is valid, it is gone")
            return replace(self._of_key(key, address), credential=credential)
        user = self._store.get(User, name)
        if subject != "user" or user is None or user.is_disabled or user.version != claims.version:
            raise AccessRefused(Code.TOKEN_INVALID, "token: expected one of a login that goes on, it is over")
        return of_user(user, self._keys.find_role, credential)

    async def _by_session(self, request: web.Request, cookie: str) -> Principal | None:
        key = session_id(cookie)
        session = await self._look(Session, key) if key else None
        user = None if session is None else self._store.get(User, session.user)
        if session is None or user is None or not self._sessions.is_good(session, user):
            return None
        if is_to_check(request):
            check_page(request)
        if not is_safe(request):
            check_csrf(request, cookie)
        if user.must_change and request.path not in _BEFORE_CHANGE:
            text = "password: expected one that you chose, change it first: POST /api/v1/auth/password"
            raise AccessRefused(Code.FORBIDDEN, text)
        if self._sessions.is_to_note(session):
            self._note(f"session:{key}", lambda: self._sessions.note_use(key))
        return of_user(user, self._keys.find_role, f"session:{key}")

    async def _look(self, kind: type[R], key: str) -> R | None:
        found = self._store.get(kind, key)
        if found is not None or not self._looks.take(time.monotonic()).allowed or not _is_plain(key):
            return found
        stored = await self._store.read(kind, key)
        return None if stored is None else stored.record

    # -- what is written on the way --------------------------------------------------------------------------------

    def _note(self, what: str, write: Callable[[], Awaitable[None]]) -> None:
        """Write that a credential was used, beside the request."""
        if what in self._noting:
            return

        async def go() -> None:
            try:
                await write()
            except SdkError as error:
                log.warning("access.use_not_noted", credential=what, error=reason_of(error))
            finally:
                self._noting.pop(what, None)

        self._noting[what] = asyncio.create_task(go(), name=f"note {what}")

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._noting.values(), return_exceptions=True)


def _is_plain(key: str) -> bool:
    return key.isascii() and key.isalnum()
