"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Follows the bars that no table has yet."""
    return rights.consumes(streams.BARS).subscribes("market.>")
