"""How the backtest service is made."""

from __future__ import annotations

from pathlib import Path

from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.errors import DefinitionError
from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.backtest.service import BacktestService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> BacktestService:
    """The service by the settings, not started."""
    folder = settings.order.tables
    return BacktestService(
        connection,
        shared.calendar,
        settings.backtest,
        settings.data_dir / "backtest",
        lambda: _tables_of(folder),
        lease=settings.lease,
        version=shared.version,
        settings=service_settings_of(settings, "backtest"),
    )


def _tables_of(folder: Path | None) -> FileTables:
    """The tables of the package and of a folder. Raises ConfigurationError: it is none, or holds what is no table."""
    try:
        return FileTables.read(None if folder is None else folder.expanduser())
    except DefinitionError as error:
        raise ConfigurationError(str(error)) from error
