"""Everything about access that one instance of the gateway has, put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from aiohttp import web

from marketprism_adapters.identity.oidc_provider import OidcProvider
from marketprism_adapters.identity.passwords import Passwords
from marketprism_adapters.nats.access_store import NatsAccessStore
from marketprism_adapters.nats.audit_log import NatsAuditLog
from marketprism_application.access.audit import Auditing
from marketprism_application.access.federation import Federation
from marketprism_application.access.keys import Keys
from marketprism_application.access.logins import RefreshFamilies, Sessions
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.roles import Roles
from marketprism_application.access.row_quotas import RowQuotas
from marketprism_application.access.users import Users
from marketprism_application.contracts.access_records import Signer
from marketprism_application.errors import ApplicationError
from marketprism_application.ports.access_store import Change
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_services.api.access.admin import AdminApi
from marketprism_services.api.access.admin_logins import AdminLoginsApi
from marketprism_services.api.access.authentication import Authentication
from marketprism_services.api.access.bodies import actor_of
from marketprism_services.api.access.browser_sessions import BrowserSessions
from marketprism_services.api.access.login import LoginApi
from marketprism_services.api.access.me import MeApi
from marketprism_services.api.access.oidc import OidcLogin
from marketprism_services.api.access.provider_tokens import ProviderTokens
from marketprism_services.api.access.revocations import Revocations
from marketprism_services.api.access.signing import Signing
from marketprism_services.api.access.ways_in import WaysInApi
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.settings.api import ApiSettings

log = structlog.get_logger()

_ROWS_S = 1.0  # between two writes of the rows that were answered
_EXPIRED_S = 1.0  # between two looks at what has ended by itself


class AccessFront:
    """Who asks, their rights, and the requests about them."""

    def __init__(
        self,
        connection: NatsConnection,
        settings: ApiSettings,
        instance: str,
        replicas: int,
        is_of_this_machine: Callable[[web.Request], bool],
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self.store = NatsAccessStore(connection, replicas)
        self.audit_log = NatsAuditLog(connection, replicas)
        self.auditing = Auditing(self.audit_log)
        self.users = Users(self.store, self.auditing)
        self.keys = Keys(self.store, self.auditing)
        self._roles = Roles(self.store, self.auditing, self.users)
        self._sessions = Sessions(self.store)
        self._passwords = Passwords()
        self._signing = Signing(self.store, instance)
        self.revocations = Revocations(self.store)
        self.quotas = RowQuotas(self.store, instance)
        oidc = settings.oidc
        self._federation = Federation(self.store, self.users, oidc.issuer, oidc.roles)
        self._provider: OidcProvider | None = None
        tokens: ProviderTokens | None = None
        if oidc.issuer:
            self._provider = OidcProvider(
                oidc.issuer,
                oidc.client_id,
                oidc.client_secret,
                oidc.redirect_url,
                oidc.provider_s,
                lambda: metrics.count("oidc_failures_total"),
            )
            if oidc.token_audience:
                find, end_at = self.users.find_role, self.revocations.end_at
                tokens = ProviderTokens(self._provider, self._federation, find, oidc, end_at)
        self._authentication = Authentication(
            self.store, self.keys, self._sessions, settings, is_of_this_machine, tokens
        )
        self.authenticate = self._authentication.authenticate
        self.authenticate_text = self._authentication.authenticate_text
        self._jobs: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Everything is read, and changes are heard of from here on. Raises what the buckets raise."""
        await self.store.start()
        await self.audit_log.start()
        self.revocations.start()
        self.store.on_change(self._changed)
        self.quotas.start()
        self._jobs = [
            asyncio.create_task(self._end_expired(), name="expired access"),
            asyncio.create_task(self._write_rows(), name="row counts"),
        ]
        if self._settings.auth == "on" and not self.users.has_admin():
            log.warning("access.admin_missing", detail="nobody can log in yet", command="marketprism access init")
        elif self._settings.auth == "local":
            log.info("access.local", detail="whoever asks from this machine needs no login; api.auth = on changes that")

    async def stop(self) -> None:
        """Nothing is heard of any more."""
        for job in self._jobs:
            job.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await job
        await self._write_rows_now()
        await self._authentication.close()
        if self._provider is not None:
            await self._provider.close()
        await self.store.stop()
        self._passwords.close()

    def endpoints(self) -> list[Endpoint]:
        """Every request about access."""
        begin = BrowserSessions(self.store, self._sessions)
        login = LoginApi(self.store, self.auditing, self.users, begin, self._passwords, self._signing)
        families = RefreshFamilies(self.store)
        find_role, oidc = self.users.find_role, self._settings.oidc
        by_provider = OidcLogin(self.auditing, self._federation, begin, find_role, self._provider, oidc)
        found = [
            *WaysInApi(self._settings).endpoints(),
            *login.endpoints(),
            *by_provider.endpoints(),
            *MeApi(self.store, self.auditing, self.keys, self._sessions, families, self.quotas).endpoints(),
            *AdminApi(self.store, self.audit_log, self.users, self.keys, self._roles, self._passwords).endpoints(),
            *AdminLoginsApi(self.store, self.auditing, self._sessions, families, self.quotas, find_role).endpoints(),
        ]
        return [self.recorded(each) for each in found]

    def recorded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, whose refusals are recorded too where it changes something."""
        if endpoint.scope is None or endpoint.method == "GET":
            return endpoint

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await endpoint.handler(request)
            except AccessRefused as error:
                actor = actor_of(request, principal_of(request))
                target = f"{request.method} {request.rel_url.raw_path}"[:200]  # as it was sent: no control characters
                await self.auditing.record(actor, "access.refuse", target, f"refused: {error.code}")
                raise

        return endpoint._replace(handler=handle)

    async def _end_expired(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRED_S)
            self.revocations.end_expired()

    async def _write_rows(self) -> None:
        while True:
            await asyncio.sleep(_ROWS_S)
            await self._write_rows_now()

    async def _write_rows_now(self) -> None:
        try:
            await self.quotas.write()
        except (SdkError, ApplicationError) as error:
            log.warning("access.rows_not_noted", error=reason_of(error))

    def _changed(self, change: Change) -> None:
        if change.kind is Signer and change.record is None:
            self._authentication.forget_token_keys(change.id)
