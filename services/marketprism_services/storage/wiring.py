"""How the storage is made."""

from __future__ import annotations

from marketprism_application.storage.writer import WriterSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.settings.sections import NO_SOURCE
from marketprism_services.settings.settings import Settings
from marketprism_services.storage.service import StorageService
from marketprism_services.wiring.archive import archive_of
from marketprism_services.wiring.backup import backup_of
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared
from marketprism_services.wiring.source_names import is_live
from marketprism_services.wiring.store import engines_of


def _writer_of(settings: Settings) -> WriterSettings:
    """What is read as fast as it goes has an end, and somebody waits for it."""
    spec = settings.source.spec
    at_once = spec != NO_SOURCE and not is_live(spec) and settings.source.speed == "max"
    return settings.store.always_soon() if at_once else settings.store


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> StorageService:
    """The service by the settings, not started.

    Raises:
        ConfigurationError, InvalidValue: a setting that it refuses.
    """
    return StorageService(
        connection,
        engines_of(settings),
        _writer_of(settings),
        settings.store,
        archive=archive_of(settings),
        backup=backup_of(settings),
        lease=settings.lease,
        version=shared.version,
        settings=service_settings_of(settings, "storage"),
    )
