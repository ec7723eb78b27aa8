"""What the service may do on NATS, beside what every service may."""

from __future__ import annotations

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.market_rights import keeps_accounts
from marketprism_adapters.nats.rights import Rights
from marketprism_sdk.messaging import DEAD_LETTERS
from marketprism_sdk.messaging import STREAM as COMMANDS


def grant(rights: Rights) -> Rights:
    """The door: what operators order goes through it, so that it may give commands and take dead letters out."""
    rights.consumes(streams.TICKS, streams.BARS, streams.EVENTS, streams.DATA).subscribes("market.>")
    rights.publishes("cmd.>", f"$JS.API.STREAM.MSG.DELETE.{DEAD_LETTERS}", f"$JS.API.CONSUMER.INFO.{COMMANDS}.*")
    return keeps_accounts(rights)
