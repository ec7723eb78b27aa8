"""`GET /api/v1/system`: the whole system, or one part of it."""

from __future__ import annotations

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.operate.parameters import NoParameters
from marketprism_services.api.operate.system_view import PARTS, SystemView

_WEIGHT = 5


class PartMissing(ApplicationError):
    """A part could not be read in time."""

    code = Code.UNAVAILABLE


class SystemApi:
    """What runs, who leads, how far each is behind."""

    def __init__(self, view: SystemView) -> None:
        self._view = view

    def endpoints(self) -> list[Endpoint]:
        """All of it, and each part."""
        part = f"{{part:{'|'.join(PARTS)}}}"
        return [
            Endpoint("GET", "/api/v1/system", self._whole, Scope.SYSTEM, weight=_WEIGHT),
            Endpoint("GET", f"/api/v1/system/{part}", self._part, Scope.SYSTEM, weight=_WEIGHT),
        ]

    async def _whole(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        found = await self._view.read()
        missing = found["missing"]
        text = f"without {', '.join(missing)}" if isinstance(missing, dict) and missing else "all parts"
        answer = answered(found, text, Stamp.of(request))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def _part(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        name = request.match_info["part"]
        found = await self._view.read()
        missing = found["missing"]
        if found[name] is None and isinstance(missing, dict):
            raise PartMissing(f"{name}: {missing.get(name, 'could not be read')}", retryable=True)
        answer = answered(found[name], name, Stamp.of(request))
        answer.headers["Cache-Control"] = "no-store"
        return answer
