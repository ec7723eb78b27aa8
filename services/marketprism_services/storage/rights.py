"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.archive_log import ARCHIVE
from marketprism_adapters.nats.market_rights import LEDGER, leads, makes_market
from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Reads every market stream into the store, names what is missing, archives what is old, and makes backups."""
    leads(makes_market(rights), "storage").publishes(*LEDGER)
    rights.copies_streams()
    return rights.consumes(*streams.MARKET_STREAMS).writes_bucket(streams.STORE_RANGES).writes_bucket(ARCHIVE)
