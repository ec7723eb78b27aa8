"""Who may do what on NATS: a user for each service, for `up`, for operators, and for those who only read.

The lists are made of the names that the code itself uses. A service that publishes or reads something new gets the
right here; the tests run the pipeline on a server with these rules and fail where it refuses anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.access_store import ACCESS, FAILURES, ROWS, SESSIONS
from marketprism_adapters.nats.accounts import Accounts, Exports
from marketprism_adapters.nats.audit_log import AUDIT
from marketprism_adapters.nats.rights import Rights
from marketprism_application.contracts.kinds import KINDS
from marketprism_sdk.election import LEASES
from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.messaging import DEAD_LETTERS, DONE, REGISTRY
from marketprism_sdk.messaging import STREAM as COMMANDS
from marketprism_sdk.nats.access import PUBLIC_INBOX, SERVICE_INBOX
from marketprism_services.platform.data_contents import BUCKET as CONTENTS
from marketprism_services.platform.local_servers import PROBE_STREAM, PROBE_SUBJECT
from marketprism_services.replay.listeners import TAKEN
from marketprism_services.settings.services import SERVICES

SUPERVISOR = "up"
OPERATOR = "operator"
READER = "reader"  # who shows no credentials to the server of `up`
CLIENT = "client"

_BUCKETS = (
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
_LEDGER = ("market.gap.>", "market.quality.>", "market.event.>", "market.instrument.>")
_INTERNAL = ("market.raw.>", "market.packed.>")  # between services; nobody else sees them
_ROOM = "MARKET_ROOM"  # made and deleted again to find out how much room there is


def _answers(user: str) -> Rights:
    """Its own inbox, those of whoever asks it, and JetStream's account of itself."""
    inboxes = (f"{PUBLIC_INBOX}.>", f"{SERVICE_INBOX}.>", "_R_.>")
    rights = Rights().publishes(*inboxes, "$JS.API.INFO", "$JS.API.STREAM.NAMES")
    return rights.subscribes(f"{SERVICE_INBOX}.{user}.>")


def _service(name: str) -> Rights:
    """What every service does: registers, answers, takes its commands, tells events, reads what is shared."""
    rights = _answers(name).subscribes(f"rpc.{name}.>", f"rpc-cancel.{name}", "event.>", "ha.ping.>", *_LEDGER)
    rights.publishes("rpc.>", "rpc-cancel.>", f"event.{name}.>", "ha.ping.>", "market.event.>")
    rights.publishes(f"cmd.{name}.>", f"dlq.{name}.>").makes(COMMANDS, DEAD_LETTERS)
    rights.works_off(COMMANDS, f"commands-{name}", f"cmd.{name}.*")
    rights.writes_bucket(REGISTRY, f"{name}.>").writes_bucket(DONE)
    return rights.reads(*streams.MARKET_STREAMS).reads_buckets(*_BUCKETS)


def _makes_market(rights: Rights) -> Rights:
    """Makes the market streams, whoever comes first."""
    rights.publishes(f"$JS.API.STREAM.CREATE.{_ROOM}", f"$JS.API.STREAM.DELETE.{_ROOM}")
    return rights.makes(*streams.MARKET_STREAMS)


def _leads(rights: Rights, name: str) -> Rights:
    """Competes for a lease; its groups have queues of commands of their own."""
    rights.publishes(
        f"$JS.API.CONSUMER.CREATE.{COMMANDS}.*.cmd.{name}.>",
        *(f"$JS.API.CONSUMER.{what}.{COMMANDS}.*" for what in ("INFO", "MSG.NEXT")),
        f"$JS.ACK.{COMMANDS}.*.>",
        f"$JS.ACK.*.*.{COMMANDS}.*.>",
    )
    return rights.writes_bucket(LEASES, f"{name}.>")


def _gateway(rights: Rights) -> Rights:
    _leads(_makes_market(rights), "gateway").publishes("market.>", "fence.gateway.>", "fence.data.>")
    rights.but_not(publish=("market.tick.>", "market.bar.>", "market.packed.>"))
    rights.writes_bucket(streams.SOURCE_POSITIONS).writes_bucket(streams.GATEWAY_ORDERS)
    return rights.writes_bucket(CONTENTS)


def _validator(rights: Rights) -> Rights:
    _makes_market(rights).publishes("market.tick.>", "market.packed.>", *_LEDGER, "stage.validator.>")
    rights.consumes(streams.RAW, streams.TICKS)
    for bucket in (streams.LATEST_TICKS, streams.QUALITY, streams.STREAM_STATES, streams.RULES):
        rights.writes_bucket(bucket)
    return rights.writes_bucket(streams.VALIDATOR_SHARDS)


def _aggregator(rights: Rights) -> Rights:
    _makes_market(rights).publishes("market.bar.>", *_LEDGER, "stage.aggregator.>")
    rights.consumes(streams.TICKS, streams.BARS)
    return rights.writes_bucket(streams.LATEST_BARS).writes_bucket(streams.AGGREGATOR_SHARDS)


def _storage(rights: Rights) -> Rights:
    _leads(_makes_market(rights), "storage").publishes(*_LEDGER)
    rights.consumes(*streams.MARKET_STREAMS)
    return rights.writes_bucket(streams.STORE_RANGES).writes_bucket(CONTENTS)


def _query(rights: Rights) -> Rights:
    return rights.consumes(streams.BARS).subscribes("market.>")


def _api(rights: Rights) -> Rights:
    """The door: what operators order goes through it, so that it may give commands and take dead letters out."""
    rights.consumes(streams.TICKS, streams.BARS, streams.EVENTS, streams.DATA).subscribes("market.>")
    rights.publishes("cmd.>", f"$JS.API.STREAM.MSG.DELETE.{DEAD_LETTERS}", f"$JS.API.CONSUMER.INFO.{COMMANDS}.*")
    return _keeps_access(rights)


def _keeps_access(rights: Rights) -> Rights:
    for bucket in (ACCESS, FAILURES, ROWS, SESSIONS):
        rights.writes_bucket(bucket)
    return rights.publishes("audit.>").makes(AUDIT)


def _monitor(rights: Rights) -> Rights:
    return rights.subscribes("market.>")


_OWN: dict[str, Callable[[Rights], Rights]] = {
    "aggregator": _aggregator,
    "api": _api,
    "gateway": _gateway,
    "monitor": _monitor,
    "query": _query,
    "storage": _storage,
    "validator": _validator,
}


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
    rights.reads(*streams.MARKET_STREAMS).makes(COMMANDS, DEAD_LETTERS).reads_buckets(*_BUCKETS)
    rights.publishes(f"$JS.API.STREAM.MSG.DELETE.{DEAD_LETTERS}", f"$JS.API.CONSUMER.INFO.{COMMANDS}.*")
    rights.writes_bucket(streams.RULES).writes_bucket(LEASES).writes_bucket(CONTENTS)
    return _keeps_access(rights)


def _reader() -> Rights:
    """Listens to the market and asks the read side; nothing of JetStream, whose answers go wherever one says."""
    rights = Rights().publishes("rpc.query.>", "rpc-cancel.query", f"{TAKEN}.>")
    rights.subscribes("market.>", "replay.>", f"{PUBLIC_INBOX}.>")
    return rights.but_not(subscribe=_INTERNAL)


def _exports() -> Exports:
    """What clients with accounts of their own see: the market, the read side, and the streams by direct get."""
    public = sorted({re.sub(r"\{\w+\}", "*", kind.subject) for kind in KINDS.values()})
    kept = sorted({kind.stream for kind in KINDS.values()})
    return Exports(
        streams=(*public, "replay.>"),
        services=("rpc.query.>", "rpc-cancel.query", f"{TAKEN}.>"),
        batches=tuple(f"$JS.API.DIRECT.GET.{name}{more}" for name in kept for more in ("", ".>")),
    )


def accounts(clients: tuple[str, ...] = (CLIENT,), *, nameless: bool = True) -> Accounts:
    """The users and accounts of a pipeline; with `nameless`, who shows no credentials may read what `reader` may.

    Raises:
        InvalidSetting: a client's name is none, or is that of a user of the platform.
    """
    users = {row.name: _OWN[row.name](_service(row.name)) for row in SERVICES}
    users |= {SUPERVISOR: _supervisor(), OPERATOR: _operator(), READER: _reader()}
    for name in clients:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name in users:
            text = f"client: expected a name of letters, digits, - and _ that no service has, was {name[:80]!r}"
            raise InvalidSetting(text)
    return Accounts(users, clients, _exports(), READER if nameless else "")


__all__ = ["CLIENT", "OPERATOR", "READER", "SUPERVISOR", "accounts"]
