"""How the monitor is made."""

from __future__ import annotations

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.monitor.service import MonitorService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> MonitorService:
    """The service by the settings, not started.

    Raises:
        ConfigurationError, InvalidValue: a setting that it refuses.
    """
    return MonitorService(
        connection,
        calendar=shared.calendar,
        version=shared.version,
        settings=service_settings_of(settings, "monitor"),
    )
