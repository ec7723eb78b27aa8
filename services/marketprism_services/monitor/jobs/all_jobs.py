"""Everything that the monitor does for the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.messaging import RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.monitor.jobs.funding import FundingJob
from marketprism_services.monitor.jobs.health_sweep import HealthSweep, Views
from marketprism_services.monitor.jobs.liquidations import LiquidationJob
from marketprism_services.monitor.jobs.open_interest import OpenInterestJob
from marketprism_services.monitor.jobs.reference_data import ReferenceJobs


def jobs_of(
    connection: NatsConnection, calls: RpcClient, views: Views, calendar: Callable[[], MarketCalendar]
) -> Iterator[object]:
    """The objects whose methods are the jobs."""
    yield HealthSweep(connection, views)
    yield LiquidationJob(connection)
    yield FundingJob(connection)
    yield OpenInterestJob(connection)
    yield ReferenceJobs(calls, views.instances, calendar)


__all__ = ["jobs_of"]
