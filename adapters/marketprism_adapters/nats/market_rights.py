"""Rights that several services have alike: to make the market streams, to compete for a lease, to keep accounts."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.access_store import ACCESS, FAILURES, ROWS, SESSIONS
from marketprism_adapters.nats.audit_log import AUDIT
from marketprism_adapters.nats.rights import Rights
from marketprism_sdk.election import LEASES
from marketprism_sdk.messaging import STREAM as COMMANDS

LEDGER = ("market.gap.>", "market.quality.>", "market.event.>", "market.instrument.>")


def makes_market(rights: Rights) -> Rights:
    """Makes the market streams, whoever comes first."""
    rights.publishes(f"$JS.API.STREAM.CREATE.{streams.ROOM}", f"$JS.API.STREAM.DELETE.{streams.ROOM}")
    return rights.makes(*streams.MARKET_STREAMS)


def leads(rights: Rights, name: str) -> Rights:
    """Competes for a lease; its groups have queues of commands of their own."""
    rights.publishes(
        f"$JS.API.CONSUMER.CREATE.{COMMANDS}.*.cmd.{name}.>",
        *(f"$JS.API.CONSUMER.{what}.{COMMANDS}.*" for what in ("INFO", "MSG.NEXT")),
        f"$JS.ACK.{COMMANDS}.*.>",
        f"$JS.ACK.*.*.{COMMANDS}.*.>",
    )
    return rights.writes_bucket(LEASES, f"{name}.>")


def keeps_accounts(rights: Rights) -> Rights:
    """Reads and writes who may come in, and the audit log."""
    for bucket in (ACCESS, FAILURES, ROWS, SESSIONS):
        rights.writes_bucket(bucket)
    return rights.publishes("audit.>").makes(AUDIT)


__all__ = ["LEDGER", "keeps_accounts", "leads", "makes_market"]
