"""How the order service is made."""

from __future__ import annotations

from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.errors import DefinitionError
from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.order.service import OrderService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> OrderService:
    """The service by the settings, not started.

    Raises:
        ConfigurationError: the folder of tables is none, or a file of it holds what is no table.
    """
    folder = settings.order.tables
    try:
        tables = FileTables.read(None if folder is None else folder.expanduser())
    except DefinitionError as error:
        raise ConfigurationError(str(error)) from error
    return OrderService(connection, tables, version=shared.version, settings=service_settings_of(settings, "order"))
