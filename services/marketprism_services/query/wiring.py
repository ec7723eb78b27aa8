"""How the query service is made."""

from __future__ import annotations

from marketprism_application.queries.derived_bars import ReadRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.query.service import QueryService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared
from marketprism_services.wiring.store import reading_engines_of


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> QueryService:
    """The service by the settings, not started.

    Raises:
        ConfigurationError, InvalidValue: a setting that it refuses.
    """
    service = QueryService(
        connection,
        ReadRules(shared.calendar(), settings.bars.intervals, settings.bars.alignment == "clock"),
        reading_engines_of(settings),
        settings.query,
        version=shared.version,
        settings=service_settings_of(settings, "query"),
    )
    shared.appliers.on("query.cache_mb", lambda given: service.bound_cache(given.query.cache_mb))
    return service
