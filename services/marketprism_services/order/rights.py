"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Asks the read side, as every service may, and needs nothing else."""
    return rights
