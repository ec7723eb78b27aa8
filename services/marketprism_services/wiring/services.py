"""What every service is given by the settings."""

from __future__ import annotations

from marketprism_adapters.nats.service_settings import MarketServiceSettings
from marketprism_services.settings.settings import Settings


def service_settings_of(settings: Settings, service: str) -> MarketServiceSettings:
    """Address, replicas and layout of a service, by its name."""
    port = settings.http.port_of(service)
    return MarketServiceSettings(settings.http.host, port, settings.nats.replicas, layout=settings.layout())
