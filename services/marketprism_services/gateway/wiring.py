"""How the gateway is made."""

from __future__ import annotations

import socket
from functools import partial

from marketprism_adapters.nats.shared_budget import SharedBudget
from marketprism_application.gateway.packing import TickPacker
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.partitions import partition_of
from marketprism_services.gateway.service import GatewayService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared
from marketprism_services.wiring.sources import group_of, hours_of, retry_of, source_of


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> GatewayService:
    """The service by the settings, not started.

    Raises:
        SourceError: its source cannot be made.
        ConfigurationError, InvalidValue: a setting that it refuses.
    """
    calendar, tap = shared.calendar(), shared.tap()
    address = settings.data.address or socket.gethostname()
    budget = partial(SharedBudget, connection, address, replicas=settings.nats.replicas)
    partition = partial(partition_of, count=settings.streams.partitions)
    service = GatewayService(
        connection,
        source_of(settings, calendar, paced=True, tap=tap, budget=budget),
        partial(TickPacker, calendar, partition, grace_s=settings.bars.grace_s),
        calendar,
        group=group_of(settings),
        hours=hours_of(settings, calendar),
        retry=retry_of(settings),
        tap=tap,
        trace_every=settings.trace.every,
        lease=settings.lease,
        version=shared.version,
        settings=service_settings_of(settings, "gateway"),
    )
    shared.appliers.on("trace.every", lambda given: service.trace(given.trace.every))
    return service
