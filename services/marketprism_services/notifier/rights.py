"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.alert_store import ALERTS, SENT
from marketprism_adapters.nats.market_rights import leads
from marketprism_adapters.nats.rights import Rights


def grant(rights: Rights) -> Rights:
    """Reads events, and keeps what is known of alerts."""
    return leads(rights, "notifier").consumes(streams.EVENTS).writes_bucket(ALERTS).writes_bucket(SENT)
