"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.market_rights import leads, makes_market
from marketprism_adapters.nats.rights import Rights
from marketprism_adapters.nats.shared_budget import VENUE_BUDGETS


def grant(rights: Rights) -> Rights:
    """Writes what it reads of its source, as long as it leads; not what others make of it."""
    leads(makes_market(rights), "gateway").publishes("market.>", "fence.gateway.>", "fence.data.>")
    rights.consumes(streams.DATA)  # the trades around where a venue's last reader left off
    rights.but_not(publish=("market.tick.>", "market.bar.>", "market.packed.>"))
    for bucket in (streams.SOURCE_POSITIONS, streams.GATEWAY_ORDERS, VENUE_BUDGETS):
        rights.writes_bucket(bucket)
    return rights
