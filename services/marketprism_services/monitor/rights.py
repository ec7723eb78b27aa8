"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats.broker_load import SUBJECT as SERVER_LOADS
from marketprism_adapters.nats.config_log import CONFIG
from marketprism_adapters.nats.rights import Rights
from marketprism_sdk.messaging import INSPECT, METRICS


def grant(rights: Rights) -> Rights:
    """Sees everything, and writes the central configuration alone. Of what instances show of themselves it asks for
    metrics, not for logs."""
    rights.writes_bucket(CONFIG)
    return rights.subscribes("market.>").publishes(SERVER_LOADS, f"{INSPECT}.*.*.{METRICS}", f"{INSPECT}-cancel.>")
