"""How the data service is made."""

from __future__ import annotations

import socket

from marketprism_adapters.downloads.histories import budgets_of_market
from marketprism_adapters.nats.shared_budget import SharedBudget
from marketprism_application.ports.request_budget import RequestBudget
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.data.files import FilePlaces
from marketprism_services.data.service import DataService
from marketprism_services.data.venues import VenueHistories
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> DataService:
    """The service by the settings, not started."""
    data = settings.data
    address = data.address or socket.gethostname()

    def budget(market: str) -> RequestBudget:
        return SharedBudget(connection, address, market, budgets_of_market(market), replicas=settings.nats.replicas)

    return DataService(
        connection,
        shared.calendar,
        VenueHistories(data.rest_urls, data.archive, budget, simulated=settings.source.simulated),
        places=FilePlaces(data.import_folder, data.export_folder),
        workers=data.workers,
        keep_days=data.keep_days,
        lease=settings.lease,
        version=shared.version,
        settings=service_settings_of(settings, "data"),
    )
