"""Who may do what on NATS: a user for each service, for `up`, for operators, and for those who only read.

What every service may stands here, what one needs beside it in its own `rights.py`, both made of the names that the
code uses. The tests run the pipeline on a server with these rules and fail where it refuses anything.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Protocol, cast

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.accounts import Accounts, Exports
from marketprism_adapters.nats.config_log import CONFIG
from marketprism_adapters.nats.market_rights import LEDGER, keeps_accounts
from marketprism_adapters.nats.rights import Rights
from marketprism_application.contracts.history import PREFIX as HISTORY_PREFIX
from marketprism_application.contracts.kinds import KINDS
from marketprism_sdk.election import LEASES
from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.messaging import DEAD_LETTERS, DONE, INSPECT, JOB_CLAIMS, JOBS, REGISTRY
from marketprism_sdk.messaging import STREAM as COMMANDS
from marketprism_sdk.nats.access import PUBLIC_INBOX, SERVICE_INBOX
from marketprism_services.platform.local_servers import PROBE_STREAM, PROBE_SUBJECT
from marketprism_services.platform.nats_place import OPERATOR
from marketprism_services.platform.runtime import READER, STORER
from marketprism_services.replay.listeners import TAKEN
from marketprism_services.settings.services import SERVICES, ServiceRow
from marketprism_services.wiring.pipeline_contents import BUCKET as CONTENTS

SUPERVISOR = "up"
LISTENER = "reader"  # who shows no credentials to the server of `up`
CLIENT = "client"


class Granting(Protocol):
    """The module of a service that says its rights."""

    def grant(self, rights: Rights) -> Rights:
        """Add what the service needs to what every service has."""
        ...


_BUCKETS = (
    CONFIG,
    CONTENTS,
    DONE,
    LEASES,
    REGISTRY,
    streams.AGGREGATOR_SHARDS,
    streams.GATEWAY_ORDERS,
    streams.LATEST_BARS,
    streams.LATEST_TICKS,
    streams.QUALITY,
    streams.RULES,
    streams.SOURCE_POSITIONS,
    streams.STORE_RANGES,
    streams.STREAM_STATES,
    streams.VALIDATOR_SHARDS,
)
# What whoever only reads may ask: what is stored, and calculations. They import no tables.
_CALCULATIONS = ("calculate", "pnl", "liquidation", "size", "tables")
# Of the data service what is stored and how far jobs are. They begin no work and end none.
_OF_DATA = ("jobs", "job", "report", "verdicts", "repaired", "coverage", "series", "revisions", "universe")
_ASKED = (
    *("rpc.query.>", "rpc-cancel.query", "rpc-cancel.order", "rpc-cancel.data"),
    *(f"rpc.order.{name}" for name in _CALCULATIONS),
    *(f"rpc.data.{name}" for name in _OF_DATA),
)
_INTERNAL = ("market.raw.>", "market.packed.>")  # between services; nobody else sees them


def _answers(user: str) -> Rights:
    """Its own inbox, those of whoever asks it, and JetStream's account of itself."""
    inboxes = (f"{PUBLIC_INBOX}.>", f"{SERVICE_INBOX}.>", "_R_.>")
    rights = Rights().publishes(*inboxes, "$JS.API.INFO", "$JS.API.STREAM.NAMES")
    return rights.subscribes(f"{SERVICE_INBOX}.{user}.>")


def _service(name: str) -> Rights:
    """What every service does: registers, answers, takes its commands, tells events, reads what is shared."""
    rights = _answers(name).subscribes(f"rpc.{name}.>", f"rpc-cancel.{name}", "event.>", "ha.ping.>", *LEDGER)
    rights.subscribes(f"{INSPECT}.{name}.>", f"{INSPECT}-cancel.{name}")
    rights.publishes("rpc.>", "rpc-cancel.>", f"event.{name}.>", "ha.ping.>", "market.event.>")
    rights.publishes(f"cmd.{name}.>", f"dlq.{name}.>").makes(COMMANDS, DEAD_LETTERS)
    rights.works_off(COMMANDS, f"commands-{name}", f"cmd.{name}.*")
    rights.works_off(JOBS, f"jobs-{name}", f"job.{name}.*").makes(JOBS).writes_bucket(JOB_CLAIMS)
    rights.writes_bucket(REGISTRY, f"{name}.>").writes_bucket(DONE)
    return rights.hears_of_streams().reads(*streams.MARKET_STREAMS).reads_buckets(*_BUCKETS)


def _of(row: ServiceRow) -> Rights:
    module = cast("Granting", import_module(row.rights))
    rights = module.grant(_service(row.name))
    # Who reads and who stores claim what kind of data a pipeline holds, before they begin.
    return rights.writes_bucket(CONTENTS) if row.name in (READER, STORER) else rights


def _supervisor() -> Rights:
    """`up`: watches its servers, remembers what kind of data they hold, and looks how far the services are."""
    rights = _answers(SUPERVISOR).makes(PROBE_STREAM).publishes(PROBE_SUBJECT, "ha.ping.>")
    rights.publishes("rpc.>", "rpc-cancel.>").subscribes("market.>")
    rights.reads(*streams.MARKET_STREAMS, COMMANDS, DEAD_LETTERS).reads_buckets(*_BUCKETS)
    return rights.writes_bucket(CONTENTS).writes_bucket(streams.SOURCE_POSITIONS)


def _operator() -> Rights:
    """Commands of the command line: everything is seen, what services are asked to do is theirs to refuse."""
    rights = _answers(OPERATOR).subscribes("market.>", "event.>", "rpc.>")
    rights.publishes("rpc.>", "rpc-cancel.>", "cmd.>", "replay.>", f"{TAKEN}.>")
    rights.publishes("ha.ping.>").subscribes("ha.ping.>", "replay.>", f"{TAKEN}.>")
    rights.reads(*streams.MARKET_STREAMS).consumes(streams.TICKS, streams.BARS, streams.EVENTS)  # strategies on paper
    rights.makes(COMMANDS, DEAD_LETTERS).reads_buckets(*_BUCKETS)
    rights.publishes(f"$JS.API.STREAM.MSG.DELETE.{DEAD_LETTERS}", f"$JS.API.CONSUMER.INFO.{COMMANDS}.*")
    rights.publishes("job.storage.*").writes_bucket(JOB_CLAIMS)  # a run that a command waits for
    rights.publishes(f"{HISTORY_PREFIX}>")  # rows of files
    rights.writes_bucket(streams.RULES).writes_bucket(LEASES).writes_bucket(CONTENTS)
    return keeps_accounts(rights)


def _listener() -> Rights:
    """Listens to the market and asks the read side; nothing of JetStream, whose answers go wherever one says."""
    rights = Rights().publishes(*_ASKED, f"{TAKEN}.>")
    rights.subscribes("market.>", "replay.>", f"{PUBLIC_INBOX}.>")
    return rights.but_not(subscribe=_INTERNAL)


def _exports() -> Exports:
    """What clients with accounts of their own see: the market, the read side, and the streams by direct get."""
    public = sorted({re.sub(r"\{\w+\}", "*", kind.subject) for kind in KINDS.values()})
    kept = sorted({kind.stream for kind in KINDS.values()})
    return Exports(
        streams=(*public, "replay.>"),
        services=(*_ASKED, f"{TAKEN}.>"),
        batches=tuple(f"$JS.API.DIRECT.GET.{name}{more}" for name in kept for more in ("", ".>")),
    )


def accounts(clients: tuple[str, ...] = (CLIENT,), *, nameless: bool = True, sites: tuple[str, ...] = ()) -> Accounts:
    """The users and accounts of a pipeline; with `nameless`, who shows no credentials may read what `reader` may.
    `sites` are joined by leaf nodes.

    Raises:
        InvalidSetting: a client's name is none, or is that of a user of the platform; a site's name is none.
    """
    users = {row.name: _of(row) for row in SERVICES}
    users |= {SUPERVISOR: _supervisor(), OPERATOR: _operator(), LISTENER: _listener()}
    for name in clients:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name in users:
            text = f"client: expected a name of letters, digits, - and _ that no service has, was {name[:80]!r}"
            raise InvalidSetting(text)
    for name in sites:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise InvalidSetting(f"site: expected a name of letters, digits, - and _, was {name[:80]!r}")
    return Accounts(users, clients, _exports(), LISTENER if nameless else "", sites)


__all__ = ["CLIENT", "LISTENER", "OPERATOR", "SUPERVISOR", "accounts"]
