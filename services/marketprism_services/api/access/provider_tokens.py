"""Tokens of the OpenID provider, shown in the place of ours."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from marketprism_adapters.identity.oidc_provider import OidcProvider
from marketprism_adapters.identity.oidc_tokens import SKEW_S, ProviderClaims, head_of
from marketprism_application.access.audit import Actor
from marketprism_application.access.federation import PROVIDER, Federation
from marketprism_application.access.principal import Principal
from marketprism_application.access.rights import FindRole, of_user
from marketprism_application.contracts.access_records import User
from marketprism_services.settings.oidc import OidcSettings

_CACHED_S, _CACHED = 60.0, 10_000
OnExpiry = Callable[[str, int], None]  # a credential, and when it ends in nanoseconds UTC


class ProviderTokens:
    """Verifies them; what was good is good for a minute more without a look at its signature.

    `on_expiry` is called with each token that is good: a connection that was opened with it has to end with it.
    """

    def __init__(
        self,
        provider: OidcProvider,
        federation: Federation,
        find_role: FindRole,
        settings: OidcSettings,
        on_expiry: OnExpiry,
    ) -> None:
        self._provider = provider
        self._federation = federation
        self._find_role = find_role
        self._settings = settings
        self._on_expiry = on_expiry
        self._cache: OrderedDict[str, tuple[ProviderClaims, float]] = OrderedDict()

    def is_theirs(self, text: str) -> bool:
        """Whether a token says that the provider has signed it. Raises AccessRefused: it is none by its form."""
        return head_of(text).issuer == self._settings.issuer

    async def principal_of(self, text: str, address: str) -> Principal:
        """Whoever a token is for.

        Raises:
            ApplicationError: it is no good, or its keys are not known; its code says why. SdkError: the store is away.
        """
        digest = hashlib.sha256(text.encode()).hexdigest()
        claims = await self._claims_of(text, digest)
        user = await self._user_of(claims, address)
        credential = f"oidc:{digest[:32]}"
        self._on_expiry(credential, (claims.expires_s + SKEW_S) * 10**9)
        return of_user(user, self._find_role, credential)

    async def _claims_of(self, text: str, digest: str) -> ProviderClaims:
        now_s = time.time()
        cached = self._cache.get(digest)
        if cached is not None and now_s < min(cached[1], cached[0].expires_s + SKEW_S):
            return cached[0]
        claims = await self._provider.verify(text, self._settings.token_audience)
        self._cache[digest] = claims, now_s + _CACHED_S
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return claims

    async def _user_of(self, claims: ProviderClaims, address: str) -> User:
        """The user with the roles that this token says, where it says any: an older one changes nobody's record."""
        settings = self._settings
        values = claims.texts(settings.roles_claim)
        known = self._federation.known(claims.subject)
        if known is None:
            actor = Actor(PROVIDER, address)
            return await self._federation.enter(claims.subject, claims.text(settings.name_claim), values, actor)
        if values is None or not settings.role_map:
            return known
        return msgspec.structs.replace(known, roles=self._federation.roles_of(values))
