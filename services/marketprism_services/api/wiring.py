"""How the API gateway is made."""

from __future__ import annotations

from dataclasses import replace

from marketprism_domain.errors import InvalidValue
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import is_loopback
from marketprism_services.api.service import ApiService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> ApiService:
    """The service by the settings, not started.

    Raises:
        InvalidValue: it would let in whoever reaches this machine.
    """
    host = settings.http.host
    if settings.api.auth != "on" and not settings.api.insecure and not is_loopback(host):
        raise InvalidValue("api.auth", f"on where http.host is {host}, or api.insecure", settings.api.auth)
    service = ApiService(
        connection,
        settings.bars.intervals,
        settings.api,
        version=shared.version,
        settings=replace(service_settings_of(settings, "api"), http_connections=settings.api.connections),
    )
    for name in ("access_log", "compress", "in_flight", "per_second"):
        shared.appliers.on(f"api.{name}", lambda given: service.follow(given.api))
    return service
