"""`GET /api/v1/auth`: by which ways somebody comes in, for a page that asks for one of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered
from marketprism_services.api.access.login import private
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.read.parameters import Parameters
from marketprism_services.settings.api import ApiSettings
from marketprism_services.settings.oidc import LOGIN

WAYS_IN = "/api/v1/auth"


class WaysInParameters(Parameters):
    """None: it is the same for everybody."""


class WaysInApi:
    """Says what anybody would find out by trying, and nothing else: no user, no provider's address, no version."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def endpoints(self) -> list[Endpoint]:
        """One request, which anybody may make."""
        return [Endpoint("GET", WAYS_IN, self._ways, None)]

    async def _ways(self, request: web.Request) -> web.Response:
        WaysInParameters.of(request)
        mode, oidc = self._settings.auth, self._settings.oidc
        has_logins = mode != "off"
        provider: dict[str, str] | None = None
        if has_logins and oidc.issuer and oidc.client_id:
            provider = {"label": oidc.label or urlsplit(oidc.issuer).hostname or "OpenID", "path": LOGIN}
        data = {"mode": mode, "password": has_logins, "oidc": provider}
        return private(answered(data, mode, Stamp.of(request)))
