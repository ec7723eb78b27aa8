"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats.rights import Rights
from marketprism_sdk.messaging import INSPECT, METRICS


def grant(rights: Rights) -> Rights:
    """Sees everything, and writes nothing. Of what instances show of themselves it asks for metrics, not for logs."""
    return rights.subscribes("market.>").publishes(f"{INSPECT}.*.*.{METRICS}", f"{INSPECT}-cancel.>")
