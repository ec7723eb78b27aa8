"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats.order_tables import ORDER_TABLES
from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Asks the read side, as every service may, and has the tables that were imported."""
    return rights.writes_bucket(ORDER_TABLES)
