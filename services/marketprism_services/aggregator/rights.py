"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.market_rights import LEDGER, makes_market
from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Makes bars of ticks."""
    makes_market(rights).publishes("market.bar.>", *LEDGER, "stage.aggregator.>")
    rights.consumes(streams.TICKS, streams.BARS)
    return rights.writes_bucket(streams.LATEST_BARS).writes_bucket(streams.AGGREGATOR_SHARDS)
