"""The catalogue of services: whoever has to know which there are, looks here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.services import SERVICES, Instances, ServiceRow, Work

if TYPE_CHECKING:  # whoever only asks for names pays for no service
    from marketprism_sdk.nats.connection import NatsConnection
    from marketprism_sdk.service import Service
    from marketprism_services.settings.settings import Settings
    from marketprism_services.wiring.shared import Shared


class Wiring(Protocol):
    """The module that a row names."""

    def build(self, settings: Settings, connection: NatsConnection, shared: Shared) -> Service:
        """The service, made and not started."""
        ...


SCHEDULER = "scheduler"
ORDER = "order"
DATA = "data"
BACKTEST = "backtest"
NOTIFIER = "notifier"


def names() -> tuple[str, ...]:
    """Every service, in the order in which they are started."""
    return tuple(row.name for row in SERVICES)


def in_up() -> tuple[str, ...]:
    """Those that `up` runs, in the order in which they are started."""
    return tuple(row.name for row in SERVICES if row.in_up)


def sharded() -> tuple[str, ...]:
    """Those that share the partitions among their instances."""
    return tuple(row.name for row in SERVICES if row.instances is Instances.SHARDED)


def row_of(name: str) -> ServiceRow:
    """The row of a service.

    Raises:
        SettingsError: there is none of that name.
    """
    for row in SERVICES:
        if row.name == name:
            return row
    raise SettingsError(f"service: expected one of {', '.join(sorted(names()))}, was {name!r}")


def wiring_of(row: ServiceRow) -> Wiring:
    """The module that makes a service; imported here, with everything that the service needs."""
    return cast("Wiring", import_module(row.wiring))


__all__ = [
    "BACKTEST",
    "DATA",
    "NOTIFIER",
    "ORDER",
    "SCHEDULER",
    "SERVICES",
    "Instances",
    "ServiceRow",
    "Wiring",
    "Work",
    "in_up",
    "names",
    "row_of",
    "sharded",
    "wiring_of",
]
