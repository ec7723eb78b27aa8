"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Sees everything, and writes nothing."""
    return rights.subscribes("market.>")
