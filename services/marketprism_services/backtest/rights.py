"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats.backtest_store import BACKTESTS, INPUTS, PROGRESS, TASKS, TASKS_PREFIX
from marketprism_adapters.nats.market_rights import leads
from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Keeps what is under way and its queue, and works that off."""
    rights = leads(rights, "backtest").makes(TASKS).publishes(f"{TASKS_PREFIX}.>")
    rights.works_off(TASKS, f"{TASKS.lower()}_workers", f"{TASKS_PREFIX}.>")
    for bucket in (BACKTESTS, INPUTS, PROGRESS):
        rights.writes_bucket(bucket)
    return rights
