"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.audit_log import AUDIT
from marketprism_adapters.nats.market_rights import keeps_accounts
from marketprism_adapters.nats.rights import Rights
from marketprism_adapters.nats.schedule_log import SCHEDULE
from marketprism_sdk.messaging import DEAD_LETTERS, INSPECT, JOBS
from marketprism_sdk.messaging import STREAM as COMMANDS


def grant(rights: Rights) -> Rights:
    """The door: what operators order goes through it, so that it may give commands and take dead letters out."""
    rights.consumes(streams.TICKS, streams.BARS, streams.EVENTS, streams.DATA).subscribes("market.>")
    rights.publishes("cmd.>", f"$JS.API.STREAM.MSG.DELETE.{DEAD_LETTERS}", f"$JS.API.CONSUMER.INFO.{COMMANDS}.*")
    # Who reads a stream, and how far: without a consumer of one's own, which would take messages of a work queue.
    rights.publishes(
        *(f"$JS.API.CONSUMER.LIST.{name}" for name in (*streams.MARKET_STREAMS, COMMANDS, DEAD_LETTERS, AUDIT))
    )
    rights.reads(JOBS, SCHEDULE)  # how full they are
    rights.publishes(f"{INSPECT}.>", f"{INSPECT}-cancel.>")  # nobody else sees the logs of a service
    return keeps_accounts(rights)
