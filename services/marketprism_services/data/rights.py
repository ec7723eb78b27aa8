"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.data_jobs import DATA_JOBS
from marketprism_adapters.nats.data_tasks import CONSUMER, DATA_TASKS, PREFIX
from marketprism_adapters.nats.market_rights import leads
from marketprism_adapters.nats.rights import Rights
from marketprism_adapters.nats.shared_budget import VENUE_BUDGETS
from marketprism_application.contracts.history import PREFIX as HISTORY_PREFIX
from marketprism_services.wiring.pipeline_contents import BUCKET as CONTENTS


def grant(rights: Rights) -> Rights:
    """Keeps jobs and their queue, gives rows of the past and holes to the storage, and shares budgets of venues."""
    rights = leads(rights, "data").makes(DATA_TASKS).works_off(DATA_TASKS, CONSUMER, f"{PREFIX}.>")
    rights.writes_bucket(DATA_JOBS).writes_bucket(VENUE_BUDGETS).writes_bucket(CONTENTS)
    rights.reads(*streams.MARKET_STREAMS).reads_buckets(streams.STORE_RANGES)
    return rights.publishes(f"{PREFIX}.>", f"{HISTORY_PREFIX}>", "market.gap.>")


__all__ = ["grant"]
