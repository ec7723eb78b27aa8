"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats.job_store import SCHEDULES
from marketprism_adapters.nats.market_rights import leads
from marketprism_adapters.nats.rights import Rights
from marketprism_adapters.nats.schedule_log import SCHEDULE


def grant(rights: Rights) -> Rights:
    """Keeps jobs and their runs, gives runs and commands to every service, and tells what went wrong."""
    rights = leads(rights, "scheduler").makes(SCHEDULE).publishes("sched.>", "fence.schedule", "job.>", "cmd.>")
    return rights.writes_bucket(SCHEDULES)
