"""`docs/subjects.md`: NATS subjects, streams and buckets, and how long they hold what."""

from __future__ import annotations

from typing import NamedTuple

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.access_store import ACCESS, FAILURES, FAILURES_S, ROWS, ROWS_S, SESSIONS, SESSIONS_S
from marketprism_adapters.nats.alert_store import ALERTS, ALERTS_S, SENT, SENT_S
from marketprism_adapters.nats.archive_log import ARCHIVE
from marketprism_adapters.nats.audit_log import AUDIT, AUDIT_S
from marketprism_adapters.nats.backtest_store import BACKTESTS, INPUTS, PROGRESS, PROGRESS_S, TASKS
from marketprism_adapters.nats.config_log import CONFIG
from marketprism_adapters.nats.data_jobs import DATA_JOBS
from marketprism_adapters.nats.job_store import SCHEDULES
from marketprism_adapters.nats.order_tables import ORDER_TABLES
from marketprism_adapters.nats.schedule_log import SCHEDULE, SCHEDULE_S
from marketprism_adapters.nats.shared_budget import VENUE_BUDGETS
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_application.contracts.kinds import KINDS
from marketprism_sdk.election import LEASES
from marketprism_sdk.messaging import (
    DEAD_LETTERS,
    DEAD_LETTERS_S,
    DONE,
    DONE_S,
    JOB_CLAIMS,
    JOB_CLAIMS_S,
    JOBS,
    JOBS_S,
    REGISTRY,
    STREAM,
    TTL_S,
)
from tests.support.reference.markdown import code, table


class Bucket(NamedTuple):
    """A bucket: who writes it, how long an entry stays (None: until it is replaced), its key and value."""

    name: str
    writer: str
    ttl_s: float | None
    key: str
    value: str


_LATEST_S = 3_600.0
BUCKETS = (
    Bucket(REGISTRY, "every service", TTL_S, "`<service>.<instance>`", "the registry: status, address, metadata"),
    Bucket(
        LEASES,
        "gateway, storage, scheduler, backtest, notifier",
        None,
        "`<service>.<group>`",
        "lease: holder, epoch, held or released",
    ),
    Bucket(DONE, "every service", DONE_S, "key of a command", "that it was done, so that a repeat is not"),
    Bucket(streams.LATEST_TICKS, "validator", _LATEST_S, "`tick.<symbol>.<venue>`", "the last tick of an instrument"),
    Bucket(
        streams.LATEST_BARS,
        "aggregator",
        _LATEST_S,
        "`bar.<interval>.<symbol>.<venue>`",
        "the last bar of an instrument",
    ),
    Bucket(streams.QUALITY, "validator", None, "`<symbol>.<venue>`", "the last quality report of an instrument"),
    Bucket(
        streams.STREAM_STATES,
        "validator",
        None,
        "`<symbol>.<venue>`",
        "where an instrument's stream stands: seq, time, trading day, volume",
    ),
    Bucket(streams.RULES, "an operator", None, "`current`", "validation rules in force"),
    Bucket(CONFIG, "monitor", None, "`current`, `history.<version>`", "central configuration: what holds, who and why"),
    Bucket(streams.SOURCE_POSITIONS, "gateway", None, "source", "how far a source was read"),
    Bucket(
        streams.GATEWAY_ORDERS, "gateway", None, "group", "what an operator ordered: connect, disconnect, instruments"
    ),
    Bucket(
        streams.STORE_RANGES, "storage", None, "stream", "watermark of the store, and the range that is being inserted"
    ),
    Bucket(
        streams.VALIDATOR_SHARDS,
        "validator",
        None,
        "`own.<partition>`, `sess.<instance>`",
        "who works on a partition",
    ),
    Bucket(
        streams.AGGREGATOR_SHARDS,
        "aggregator",
        None,
        "`own.<partition>`, `sess.<instance>`",
        "who works on a partition",
    ),
    Bucket(
        ACCESS,
        "api, `marketprism access`",
        None,
        "`user.<id>`, `key.<id>`, `role.<id>`, `signer.<kid>`, `refresh.<family>`",
        "who may come in, with digests of what they show",
    ),
    Bucket(SESSIONS, "api", SESSIONS_S, "`session.<digest>`", "a login by a browser"),
    Bucket(ROWS, "api", ROWS_S, "`rows.<day>.<account>.<instance>`", "rows answered on a day, by account and instance"),
    Bucket(FAILURES, "api", FAILURES_S, "`failed.<digest>`", "logins that failed, by account and address"),
    Bucket(JOB_CLAIMS, "every service", JOB_CLAIMS_S, "`<run>.<attempt>`", "who does a run of a job, and how it ended"),
    Bucket(
        SCHEDULES, "scheduler", None, "`job.<name>`, `request.<id>`", "jobs as people define them, and what they ask"
    ),
    Bucket(
        BACKTESTS,
        "backtest",
        None,
        "`run.<id>`, `task.<id>.<n>`, `cancel.<id>`, `key.<key>`",
        "backtests that are under way, and their tasks",
    ),
    Bucket(
        INPUTS,
        "backtest",
        None,
        "`<id>.<document>.head`, `<id>.<document>.<token>.<n>`",
        "what tasks of backtests need: sets of parameters, uploaded files",
    ),
    Bucket(PROGRESS, "backtest", PROGRESS_S, "`<id>.<n>`", "how far tasks of backtests are"),
    Bucket(
        ORDER_TABLES, "order", None, "`<venue>.<list>.<day>`", "tables of orders that were imported, by whom and when"
    ),
    Bucket(
        ARCHIVE, "storage", None, "`<table>.<partition>`", "which partitions are archived, and how far their move is"
    ),
    Bucket(
        VENUE_BUDGETS,
        "gateway, whoever downloads into the store",
        None,
        "`<address>.<market>`",
        "how much of a venue's request budgets the programs behind one address have left, and until when they wait",
    ),
    Bucket(
        DATA_JOBS,
        "data",
        None,
        "`job.<id>`, `task.<id>.<n>`, `document.<name>.…`, `journal.…`, `downloaded.…`",
        "jobs of the data service, how far their tasks and parts are, reports and verdicts",
    ),
    Bucket(ALERTS, "notifier", ALERTS_S, "id of an alert", "what is wrong, since when, who takes care of it"),
    Bucket(SENT, "notifier", SENT_S, "`<alert>.<kind>.<channel>`", "which notice was claimed by whom, and sent"),
)

_HOLDS = {
    streams.RAW: "messages of the sources, packed, and the fences of the gateways",
    streams.TICKS: "validated ticks: one message a tick, and packed; checkpoints of the validators",
    streams.BARS: "bars and their revisions; checkpoints of the aggregators",
    streams.EVENTS: "gaps, quality reports, events, contract terms",
    streams.DATA: "trades, books, tickers and the rest, as a crypto venue sends them",
    streams.HISTORY: "rows of files on their way into the store, in columns",
}

_INTERNAL = (
    ("market.raw.<p>", "gateway → validator", "packed messages of partition p"),
    ("market.packed.<p>", "validator → aggregator, storage", "packed ticks of partition p"),
    (
        "stage.<stage>.<p>.>",
        "a stage → itself",
        "checkpoint and snapshots of partition p, in the stream that the stage writes",
    ),
    ("fence.gateway.>", "gateway → itself", "fence of the raw log: who may write"),
    ("fence.data.>", "gateway → itself", "the same of `MARKET_DATA`"),
    (
        "history.rows.<kind>.<venue>.<symbol>",
        "`marketprism data import`, downloads into the store → storage",
        "blocks of rows that are read from files, as Arrow streams",
    ),
    (
        "cmd.<service>.<command>",
        "anybody → a service",
        "commands, in `COMMANDS`; `cmd.<service>.<group>.<command>` for one group",
    ),
    (
        "audit.<area>.<action>",
        "api, `marketprism access` → `AUDIT`",
        "who did what to what, from where, and the outcome",
    ),
    ("job.<service>.<handler>", "scheduler → a service", "runs of jobs, in `JOBS`"),
    ("backtest_tasks.<id>.<n>", "backtest → itself", "tasks of backtests, in `BACKTEST_TASKS`"),
    ("sched.state.<job>", "scheduler → itself", "where a job stands, in `SCHEDULE`"),
    (
        "sched.run.<job>.<due>",
        "scheduler",
        "a run that has ended, in `SCHEDULE`; of one that was asked for `.<asked>` follows",
    ),
    ("fence.schedule", "scheduler → itself", "fence of `SCHEDULE`"),
    ("dlq.>", "services", "commands and messages that were set aside, in `COMMANDS_DLQ`"),
    ("rpc.<service>.<method>", "anybody → a service", "a question, answered at once"),
    (
        "inspect.<service>.<instance>.<method>",
        "the API gateway → an instance",
        "its newest log lines (`logs`), its `status`, its `metrics`",
    ),
    ("event.<service>.<name>", "services", "events of the framework (leases, partitions); not stored"),
    ("kv.<bucket>.<key>", "NATS", "each change of a bucket, as it was written; not stored"),
)


def _days(seconds: float | None) -> str:
    if not seconds:
        return "until it is replaced"
    for unit, size in (("days", 86_400), ("hours", 3_600)):
        if seconds >= size:
            number = seconds / size
            return f"{number:g} {unit if number != 1 else unit[:-1]}"
    return f"{seconds:g} s"


def subjects_page() -> str:
    """The page."""
    layout = StreamLayout()
    published = [
        (code(kind.subject.replace("{", "<").replace("}", ">")), code(kind.stream), kind.name)
        for kind in KINDS.values()
    ]
    rows = [
        (
            code(name),
            ", ".join(map(code, streams.config_of(name, layout, 20_000_000_000)["subjects"]))
            + (", `market.<venue>.>` of each venue" if name == streams.DATA else ""),
            _days(layout.streams.limits[name].age_s),
            f"{layout.streams.limits[name].share:.0%}",
            _HOLDS[name],
        )
        for name in streams.MARKET_STREAMS
    ]
    rows += [
        (code(STREAM), "`cmd.>`", "until they are done", "", "commands that wait"),
        (code(DEAD_LETTERS), "`dlq.>`", _days(DEAD_LETTERS_S), "", "what was set aside: `marketprism dead-letters`"),
        (code(JOBS), "`job.>`", _days(JOBS_S), "", "runs of jobs that wait for whoever is to do them"),
        (code(TASKS), "`backtest_tasks.>`", "until they are done", "", "tasks of backtests that wait for a worker"),
        (code(SCHEDULE), "`sched.>`, `fence.schedule`", _days(SCHEDULE_S), "", "where jobs stand, and their history"),
        (
            code(AUDIT),
            "`audit.>`",
            _days(AUDIT_S),
            "",
            "the audit log, which denies deletion: `marketprism access audit`",
        ),
    ]
    buckets = [
        (code(each.name), each.writer, _days(each.ttl_s), each.key, each.value)
        for each in sorted(BUCKETS, key=lambda bucket: bucket.name)
    ]
    return f"""# NATS: subjects, streams, buckets

Values of records are MessagePack maps, `v` is the version of the message; prices and amounts are texts, times nanoseconds UTC. A token of a
subject keeps letters, digits, `-` and `_`; every other byte is `=XX`. What the fields mean is in [tables.md](tables.md).

This page is made of the code by `make docs`.

## What anybody may subscribe to

{table(("Subject", "Stream", "Kind"), published)}

A plain subscriber is not sent again what it missed: a user with an account reads the stream by its sequence
([nats-access.md](nats-access.md)), anybody follows the [live stream](live-stream.md) by its token.

## Between services

These may change with any version.

{table(("Subject", "From → to", "Holds"), [(code(subject), *rest) for subject, *rest in _INTERNAL])}

## Streams

Age and share are the defaults of `[streams]` in the [settings](settings.md): the oldest messages go when they are too old, or when the
stream has its share of what `nats.max_store_gb` leaves after `streams.reserve` ([sizing.md](sizing.md)).

{table(("Stream", "Subjects", "Age", "Share", "Holds"), rows)}

## Buckets

A bucket is the stream `KV_<bucket>`; it holds the last value of each key.

{table(("Bucket", "Written by", "An entry stays", "Key", "Value"), buckets)}
"""
