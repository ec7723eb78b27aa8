"""The OpenID provider: what it says of itself, its keys, and the exchange of a code for an ID token."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import msgspec
import structlog

from marketprism_adapters.identity.oidc_attempt import LoginAttempt
from marketprism_adapters.identity.oidc_tokens import (
    ProviderClaims,
    SigningKey,
    TokenHead,
    head_of,
    invalid,
    key_for,
    signing_keys,
    verified,
)
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError
from marketprism_sdk.resilience import Bulkhead, BulkheadFull
from marketprism_sdk.urls import Secret

log = structlog.get_logger()

T = TypeVar("T")
_DISCOVERY = "/.well-known/openid-configuration"
_METADATA_S, _KEYS_S = 3_600.0, 300.0
_STALE_S = 3_600.0  # keys count for so long while the provider is away
_UNKNOWN_S = 1.0  # between two looks for a key that is not known
_REST_S = 1.0  # after it did not answer
_AT_ONCE = 16
_LARGEST = 1_048_576
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ProviderAway(ApplicationError):
    """The provider does not answer, or not as a provider does."""

    code = Code.UNAVAILABLE

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class _Metadata(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _KeySet(msgspec.Struct):
    keys: list[object]


class _Tokens(msgspec.Struct):
    id_token: str


class _Refusal(msgspec.Struct):
    error: str


class OidcProvider:
    """One provider. It is asked when it is needed, so it may be away when this starts. `close` when it is done."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: Secret,
        redirect_url: str,
        patience_s: float,
        on_failure: Callable[[], None] = lambda: None,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_url = redirect_url
        self._timeout = aiohttp.ClientTimeout(patience_s)
        self._on_failure = on_failure
        self._clock_s = clock_s
        self._session: aiohttp.ClientSession | None = None
        self._lock = asyncio.Lock()
        self._metadata: tuple[_Metadata, float] | None = None
        self._keys: list[SigningKey] = []
        self._keys_s = float("-inf")
        self._rests_until_s = float("-inf")
        self._exchanges = Bulkhead(_AT_ONCE, 0)

    async def close(self) -> None:
        """End its connections, and what is asked over them."""
        if self._session is not None:
            await self._session.close()

    async def login_url(self, attempt: LoginAttempt, path: str, scopes: tuple[str, ...]) -> str:
        """Where a browser logs in. Raises ProviderAway."""
        metadata = await self._described()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_url,
            "scope": " ".join(scopes),
            "state": attempt.state(path, self._clock_s()),
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = metadata.authorization_endpoint
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def exchange(self, code: str, attempt: LoginAttempt) -> ProviderClaims:
        """Who has logged in, by the code that the browser brought.

        Raises:
            AccessRefused: the provider does not take the code, or its ID token is not of this login. ProviderAway.
        """
        try:
            token = await self._exchanges.execute(lambda: self._redeem(code, attempt))
        except BulkheadFull as error:
            raise ProviderAway(f"logins: expected at most {_AT_ONCE} at the provider at a time") from error
        return await self.verify(token, self._client_id, attempt.nonce)

    async def _redeem(self, code: str, attempt: LoginAttempt) -> str:
        metadata = await self._described()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_url,
            "code_verifier": attempt.verifier,
        }
        headers = {"Accept": "application/json"}
        methods = metadata.token_endpoint_auth_methods_supported
        if not self._client_secret:
            form["client_id"] = self._client_id
        elif "client_secret_basic" in methods or "client_secret_post" not in methods:
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret.reveal())}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret.reveal()}
        status, data = await self._ask("POST", metadata.token_endpoint, form, headers)
        if status == 200:
            return self._decoded(data, _Tokens).id_token
        refusal = self._decoded(data, _Refusal).error
        if refusal == "invalid_grant":
            raise AccessRefused(Code.UNAUTHENTICATED, "code: expected one that the provider takes, was another")
        raise self._failed(f"expected tokens, it answered {status} {refusal[:80]!r}")

    async def verify(self, token: str, audience: str, nonce: str | None = None) -> ProviderClaims:
        """What a token of the provider says.

        Raises:
            AccessRefused: TOKEN_INVALID, TOKEN_EXPIRED. ProviderAway: its keys are not known.
        """
        head = head_of(token)
        if head.issuer != self.issuer:
            raise invalid()
        key = await self._key_of(head)
        try:
            return verified(token, head, key, self.issuer, audience, self._clock_s(), nonce)
        except AccessRefused:
            newer = None if head.key_id else await self._newer_key(head)
            if newer is None or newer == key:
                raise
        return verified(token, head, newer, self.issuer, audience, self._clock_s(), nonce)

    async def _newer_key(self, head: TokenHead) -> SigningKey | None:
        """The key of a token that names none, which may have been signed by one that is new."""
        await self._read_keys(_UNKNOWN_S)
        return key_for(head, self._keys)

    async def _key_of(self, head: TokenHead) -> SigningKey:
        """The key of a token. One that is not known may be new: the provider is asked, now and then."""
        age_s = time.monotonic() - self._keys_s
        found = key_for(head, self._keys) if age_s < _STALE_S else None
        if found is not None and age_s < _KEYS_S:
            return found
        try:
            await self._read_keys(_KEYS_S if found is not None else _UNKNOWN_S)
        except ProviderAway:
            if found is None:
                raise
            return found
        found = key_for(head, self._keys)
        if found is None:
            raise invalid()
        return found

    async def _read_keys(self, after_s: float) -> None:
        """Read the key set, unless it was read less than so long ago."""
        metadata = await self._described()
        async with self._lock:
            if time.monotonic() - self._keys_s < after_s:
                return
            self._keys = signing_keys((await self._document(metadata.jwks_uri, _KeySet)).keys)
            self._keys_s = time.monotonic()

    async def _described(self) -> _Metadata:
        async with self._lock:
            known = self._metadata
            if known is not None and time.monotonic() - known[1] < _METADATA_S:
                return known[0]
            try:
                found = await self._document(self.issuer.rstrip("/") + _DISCOVERY, _Metadata)
                self._check(found)
            except ProviderAway:
                if known is None:
                    raise
                return known[0]
            self._metadata = found, time.monotonic()
            return found

    def _check(self, found: _Metadata) -> None:
        """Raises ProviderAway: the document is of another issuer, or sends secrets where they can be read."""
        if found.issuer != self.issuer:
            raise self._failed(f"issuer: expected {self.issuer}, was {found.issuer[:200]!r}")
        for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            try:
                parts = urlsplit(url)
                good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
                good = good and url.isascii() and url.isprintable()  # it becomes a header
            except ValueError:
                good = False
            if not good:
                raise self._failed(f"endpoints: expected https, was {url[:200]!r}")

    async def _document(self, url: str, kind: type[T]) -> T:
        status, data = await self._ask("GET", url)
        if status != 200:
            raise self._failed(f"expected 200, it answered {status}")
        return self._decoded(data, kind)

    def _decoded(self, data: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._failed(f"expected JSON of a provider, {str(error)[:200]}") from error

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Its answer; a redirection is one that is wrong. Raises ProviderAway."""
        if time.monotonic() < self._rests_until_s:
            raise ProviderAway("provider: expected an answer, it gave none a moment ago")
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.request(method, url, data=form, headers=headers, allow_redirects=False) as answer:
                data = bytearray()
                async for chunk in answer.content.iter_chunked(65_536):
                    data += chunk
                    if len(data) > _LARGEST:
                        raise self._failed(f"expected at most {_LARGEST} bytes")
                if answer.status >= 500:
                    raise self._failed(f"expected an answer, it answered {answer.status}")
                return answer.status, bytes(data)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._rests_until_s = time.monotonic() + _REST_S
            raise self._failed(f"expected an answer, {type(error).__name__}") from error

    def _failed(self, text: str) -> ProviderAway:
        self._on_failure()
        log.warning("oidc.provider_failed", issuer=self.issuer, error=text)
        return ProviderAway(f"provider: {text}")
