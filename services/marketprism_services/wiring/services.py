"""What every service is given by the settings."""

from __future__ import annotations

from marketprism_adapters.nats.service_settings import MarketServiceSettings
from marketprism_services.settings.settings import Settings


def service_settings_of(settings: Settings, service: str) -> MarketServiceSettings:
    """Address, replicas and layout of a service, by its name."""
    http = settings.http
    return MarketServiceSettings(
        http.host, http.port_of(service), settings.nats.replicas, layout=settings.layout(), http_names=http.names
    )
