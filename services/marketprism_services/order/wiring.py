"""How the order service is made."""

from __future__ import annotations

from pathlib import Path

from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.errors import DefinitionError
from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.order.service import OrderService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> OrderService:
    """The service by the settings, not started. Its tables are read when it starts."""
    folder = settings.order.tables
    return OrderService(
        connection,
        lambda: _tables_of(folder),
        version=shared.version,
        settings=service_settings_of(settings, "order"),
    )


def _tables_of(folder: Path | None) -> FileTables:
    """The tables of the package and of a folder. Raises ConfigurationError: it is none, or holds what is no table."""
    try:
        return FileTables.read(None if folder is None else folder.expanduser())
    except DefinitionError as error:
        raise ConfigurationError(str(error)) from error
