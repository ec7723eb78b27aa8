"""The object graph: what services share, and one factory for each row of the catalogue.

How a service is made stands beside it, in its `wiring.build`, where types are checked. Connections are opened by
`runtime.py` and come in as dependencies.
"""

from __future__ import annotations

from typing import Any

from dependency_injector import containers, providers

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service
from marketprism_services.platform import data_contents
from marketprism_services.platform.catalogue import SERVICES, ServiceRow, row_of, wiring_of
from marketprism_services.platform.core import show_core
from marketprism_services.platform.formats import show_formats
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers
from marketprism_services.wiring.shared import Shared, tap_of


def _build(row: ServiceRow, settings: Settings, connection: NatsConnection, shared: Shared) -> Service:
    return wiring_of(row).build(settings, connection, shared)


def _factories(*given: providers.Provider[Any]) -> dict[str, providers.Provider[Any]]:
    return {row.name: providers.Factory(_build, row, *given) for row in SERVICES}


class _Providers(containers.DeclarativeContainer):
    settings = providers.Dependency(instance_of=Settings)
    connection = providers.Dependency(instance_of=NatsConnection)
    appliers = providers.Dependency(instance_of=Appliers)

    calendar = providers.Singleton(chinese_calendar_of_markets, settings.provided.calendar)
    tap = providers.Singleton(tap_of, settings, providers.Object(data_contents.is_simulated))
    shared = providers.Singleton(Shared, calendar.provider, tap.provider, appliers)

    services = providers.Aggregate(_factories(settings, connection, shared))


class Container:
    """Every service of a process and what they are made of; `appliers` get what they apply while they run."""

    def __init__(self, settings: Settings, connection: NatsConnection, appliers: Appliers | None = None) -> None:
        self._providers = _Providers(settings=settings, connection=connection, appliers=appliers or Appliers())
        self._providers.check_dependencies()

    def service(self, name: str) -> Service:
        """A service by its name in the catalogue, made and not started.

        Raises:
            SettingsError: there is no service of that name.
            ConfigurationError, InvalidValue: a setting that the service refuses.
            SourceError: the source of a gateway cannot be made.
        """
        service: Service = self._providers.services(row_of(name).name)
        show_core(service)
        show_formats(service)
        return service
