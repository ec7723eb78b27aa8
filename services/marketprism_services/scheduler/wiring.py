"""How the scheduler is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from marketprism_adapters.venues.registry import FUNDING_HOURS
from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_application.errors import DefinitionError
from marketprism_application.scheduling.definitions import read_file
from marketprism_sdk.errors import ConfigurationError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.scheduler.built_in import built_in_jobs
from marketprism_services.scheduler.service import SchedulerService
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.services import service_settings_of
from marketprism_services.wiring.shared import Shared


def build(settings: Settings, connection: NatsConnection, shared: Shared) -> SchedulerService:
    """The service by the settings, not started.

    Raises:
        ConfigurationError: the file of jobs cannot be read, or holds what is none.
    """
    jobs = settings.scheduler
    service = SchedulerService(
        connection,
        shared.calendar,
        built_in=built_in_jobs(settings) if jobs.built_in else {},
        file={} if jobs.file is None else jobs_of(jobs.file.expanduser()),
        funding_hours=FUNDING_HOURS,
        most_running=jobs.most_running,
        lease=settings.lease,
        version=shared.version,
        settings=service_settings_of(settings, "scheduler"),
    )
    shared.appliers.on("scheduler.most_running", lambda given: service.allow(given.scheduler.most_running))
    return service


def jobs_of(file: Path) -> Mapping[str, JobDocument]:
    """The jobs of a file. Raises ConfigurationError."""
    try:
        return read_file(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError, DefinitionError) as error:
        text = reason_of(error)
        raise ConfigurationError(f"scheduler.file: {text if str(file) in text else f'{file}: {text}'}") from error
