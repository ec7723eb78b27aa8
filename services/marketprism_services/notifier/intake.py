"""Alerts come in: over HTTP from Alertmanager, and as events of the services."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from marketprism_adapters.nats.alert_store import DEAD_MANS_SWITCH, AlertStore
from marketprism_application.contracts.alert_records import Alert
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.observability import Metrics
from marketprism_sdk.urls import Secret
from marketprism_services.notifier.alertmanager import MOST_BYTES, alerts_of
from marketprism_services.notifier.unkept_pages import UnkeptPages

log = structlog.get_logger()

_AT_ONCE = 32


class AlertIntake:
    """`POST /alerts`: what is answered with 200 is kept, and will be sent whatever becomes of this process.

    Every instance takes alerts, whoever leads. Without a token those of this machine are let in alone.
    """

    def __init__(self, store: Callable[[], AlertStore], unkept: UnkeptPages, token: Secret, metrics: Metrics) -> None:
        self._store = store
        self._unkept = unkept
        self._token = token.reveal().encode()
        self._metrics = metrics

    async def post(self, request: web.Request) -> web.Response:
        """Answer a request of Alertmanager, which sends again what is not answered with 2xx."""
        if not self._may(request):
            self._metrics.count("alerts_refused_total", reason="token")
            return _refusal(401, "UNAUTHENTICATED", "Authorization: expected Bearer and notify.notify_token")
        try:
            body = await _body_of(request)
            alerts = alerts_of(body)
        except InvalidValue as error:
            self._metrics.count("alerts_refused_total", reason="body")
            return _refusal(400, "INVALID_PARAMETER", str(error))
        try:
            new = await self.keep(alerts)
        except SdkError as error:
            log.warning("alerts.not_kept", alerts=len(alerts), error=reason_of(error))
            await self._unkept.send(alerts)
            return _refusal(503, "UNAVAILABLE", "NATS does not keep the alerts now: send them again")
        return web.json_response({"success": True, "data": {"alerts": len(alerts), "new": new}})

    def _may(self, request: web.Request) -> bool:
        if not self._token:
            return request.remote is not None and ipaddress.ip_address(request.remote).is_loopback
        shown = request.headers.get("Authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(shown, b"Bearer " + self._token)

    async def keep(self, alerts: Sequence[Alert]) -> int:
        """How many of them told anything new. Raises SdkError: not all are kept."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(alert: Alert) -> bool:
            async with limit:
                return await self._store().report(alert)

        for alert in alerts:
            state = "resolved" if alert.ends_at else "firing"
            self._metrics.count("alerts_received_total", severity=alert.severity.value, status=state)
        stored = [alert for alert in alerts if alert.name != DEAD_MANS_SWITCH]
        beats = [alert for alert in alerts if alert.name == DEAD_MANS_SWITCH and not alert.ends_at]
        if beats:
            await self._store().beat(beats[-1])
        return sum(await asyncio.gather(*(one(alert) for alert in stored)))


async def _body_of(request: web.Request) -> bytes:
    """The body. Raises InvalidValue: it is too large."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise InvalidValue("body", f"at most {MOST_BYTES} bytes", f"more than {MOST_BYTES}")
    return bytes(body)


def _refusal(status: int, code: str, text: str) -> web.Response:
    return web.json_response({"success": False, "error": {"code": code, "message": text, "details": {}}}, status=status)


__all__ = ["AlertIntake"]
