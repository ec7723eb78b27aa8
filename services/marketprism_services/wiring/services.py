"""What every service is given by the settings."""

from __future__ import annotations

from marketprism_adapters.nats.service_settings import MarketServiceSettings
from marketprism_services.settings.metrics import METRICS
from marketprism_services.settings.sections import HttpSettings
from marketprism_services.settings.settings import Settings


def service_settings_of(settings: Settings, service: str) -> MarketServiceSettings:
    """Address, replicas, metrics and layout of a service, by its name."""
    port = settings.http.port_of(service)
    return MarketServiceSettings(
        settings.http.host,
        port,
        # The usual port is the first instance's; a second one on the machine finds it taken. Another was asked for.
        http_port_may_differ=port == HttpSettings().port_of(service),
        replicas=settings.nats.replicas,
        metrics=METRICS,
        layout=settings.layout(),
        http_names=settings.http.names,
        http_tls=settings.http.tls,
    )
