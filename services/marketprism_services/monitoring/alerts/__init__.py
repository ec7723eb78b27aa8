"""The alerts by area: one row each. What is in no row is neither a rule nor a runbook."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert
from marketprism_services.monitoring.alerts.backups import BACKUPS
from marketprism_services.monitoring.alerts.broker import BROKER
from marketprism_services.monitoring.alerts.feeds import FEEDS
from marketprism_services.monitoring.alerts.jobs import JOBS
from marketprism_services.monitoring.alerts.leadership import LEADERSHIP
from marketprism_services.monitoring.alerts.pipeline import PIPELINE
from marketprism_services.monitoring.alerts.process import PROCESS
from marketprism_services.monitoring.alerts.reading import READING
from marketprism_services.monitoring.alerts.storing import STORING

ALERTS: tuple[Alert, ...] = (*PROCESS, *BROKER, *LEADERSHIP, *FEEDS, *PIPELINE, *STORING, *BACKUPS, *READING, *JOBS)

__all__ = ["ALERTS"]
