"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.market_rights import LEDGER, makes_market
from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Makes ticks of raw messages, with what is known of each instrument."""
    makes_market(rights).publishes("market.tick.>", "market.packed.>", *LEDGER, "stage.validator.>")
    rights.consumes(streams.RAW, streams.TICKS)
    for bucket in (streams.LATEST_TICKS, streams.QUALITY, streams.STREAM_STATES, streams.RULES):
        rights.writes_bucket(bucket)
    return rights.writes_bucket(streams.VALIDATOR_SHARDS)
