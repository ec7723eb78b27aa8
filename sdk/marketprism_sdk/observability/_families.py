"""What the metrics of a service are: a name, a kind, a text and labels of each family.

The framework's own stand here; a service's stand in its `MetricsSettings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from marketprism_sdk.errors import InvalidSetting

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
JOB_SECONDS = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)
ROWS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0)


class MetricKind(Enum):
    """How Prometheus reads a family."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric. `name` without the namespace, a counter's with `_total`; `text` is its HELP; `buckets` a histogram's.

    `most_series` bounds how many combinations of its labels are told apart.

    Raises:
        InvalidSetting: a name, a text or labels that Prometheus would not read as they are.
    """

    name: str
    kind: MetricKind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS
    most_series: int = 500

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise InvalidSetting(f"metric: expected a name of a-z, 0-9 and _, was {self.name!r}")
        if self.name.endswith("_total") != (self.kind is MetricKind.COUNTER):
            raise InvalidSetting(f"metric {self.name}: expected _total at the end of a counter's name, and of no other")
        if not self.text.strip():
            raise InvalidSetting(f"metric {self.name}: expected a text, was none")


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """How the metrics of a service are named and explained.

    `namespace` stands before each name (`shop` makes `shop_rpc_errors_total`), nothing does where it is empty.
    `families` are those that the service adds to the framework's.

    Raises:
        InvalidSetting: a namespace that is no beginning of a name, or a name that is there twice.
    """

    namespace: str = ""
    families: tuple[Family, ...] = ()

    def __post_init__(self) -> None:
        if self.namespace and not re.fullmatch(r"[a-z][a-z0-9_]*", self.namespace):
            raise InvalidSetting(f"metrics.namespace: expected a-z, 0-9 and _, was {self.namespace!r}")
        names = [family.name for family in (*FRAMEWORK, *self.families)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidSetting(f"metrics.families: expected each name once, was {', '.join(twice)} more than once")

    def full_name(self, name: str) -> str:
        """A name as Prometheus reads it."""
        return f"{self.namespace}_{name}" if self.namespace else name

    def by_name(self) -> dict[str, Family]:
        """Every family, the framework's first, by its name without the namespace."""
        return {family.name: family for family in (*FRAMEWORK, *self.families)}


def _counters(*rows: tuple[str, str, tuple[str, ...]]) -> Iterable[Family]:
    return (Family(name, MetricKind.COUNTER, text, labels) for name, text, labels in rows)


def _gauges(*rows: tuple[str, str]) -> Iterable[Family]:
    return (Family(name, MetricKind.GAUGE, text) for name, text in rows)


FRAMEWORK: tuple[Family, ...] = (
    Family("service_info", MetricKind.GAUGE, "Always 1; the labels say which service this is.", ("service",)),
    Family("build_info", MetricKind.GAUGE, "Always 1; the label says which version this is.", ("version",)),
    Family(
        "dependency_up",
        MetricKind.GAUGE,
        "What this instance needs: 1 healthy, 0.5 degraded, 0 unhealthy; `/health` has the reasons.",
        ("dependency",),
    ),
    *_counters(
        (
            "event_loop_stalls_total",
            "How often something blocked the event loop for a quarter of a second or more.",
            (),
        ),
        ("metric_series_refused_total", "Values whose labels were one combination too many, by metric.", ("metric",)),
        ("log_lines_total", "Log lines of level info and above that were written, by level.", ("level",)),
        ("log_lines_lost_total", "Log lines that could not be written: a full disk, a pipe without a reader.", ()),
        ("log_lines_forgotten_total", "Log lines that newer ones took the place of, of those held to be shown.", ()),
        ("nats_reconnects_total", "How often the connection to NATS stood again.", ()),
        ("nats_disconnected_seconds_total", "Time without a connection to NATS, in seconds.", ()),
        ("nats_messages_received_total", "Messages that came from NATS.", ()),
        ("nats_received_bytes_total", "Payload that came from NATS, in bytes.", ()),
        ("nats_messages_sent_total", "Messages that were published to NATS.", ()),
        ("nats_sent_bytes_total", "Payload that was published to NATS, in bytes.", ()),
        ("nats_not_permitted_total", "Subjects that the NATS server refused to this process's user.", ()),
        ("bus_messages_dropped_total", "Messages to subscriptions of this process that found their queue full.", ()),
        ("bus_handler_failures_total", "Handlers of messages that raised an error.", ()),
        ("http_certificates_renewed_total", "Changed files of the certificate of the HTTP side that count now.", ()),
        ("http_certificates_refused_total", "Changed files of the certificate that cannot be used.", ()),
        ("http_connections_refused_total", "HTTP connections that found every place taken.", ()),
        ("http_connections_cut_slow_total", "HTTP connections whose answer was not taken.", ()),
        ("http_connections_closed_idle_total", "HTTP connections that asked nothing for too long.", ()),
        ("rpc_errors_total", "Calls that were answered with an error, by its code.", ("method", "code")),
        ("rpc_cancelled_total", "Calls whose caller took them back before they were answered.", ()),
        ("commands_total", "Commands that were done.", ("command",)),
        ("command_failures_total", "Attempts at a command that raised an error.", ("command",)),
        ("commands_handed_on_total", "Commands that came here and went on to the group they are for.", ("command",)),
        ("job_runs_done_total", "Runs of jobs that ended here, by how.", ("handler", "result")),
        ("job_results_refused_total", "Results of runs that had been given up by the time they were there.", ()),
        ("job_handlers_deaf_total", "Handlers of jobs that went on after they had been cancelled.", ("handler",)),
        ("job_runs_unreadable_total", "Runs on the queue that could not be read.", ()),
        ("dead_letters_total", "Commands and messages that were set aside as dead letters.", ()),
        ("events_published_total", "Events that this service published.", ("event",)),
        ("event_publish_failures_total", "Events that could not be published.", ("event",)),
        ("events_malformed_total", "Events of other services that could not be decoded.", ()),
        (
            "events_dropped_total",
            "Events of other services that were dropped because their handler is behind.",
            ("event",),
        ),
        ("event_failures_total", "Handlers of events that raised an error.", ("event",)),
        ("kv_values_refused_total", "Readings of a value in a bucket that is not what is written there.", ("bucket",)),
        ("lease_renewals_total", "Renewals of the lease by this instance.", ()),
        ("lease_renewals_late_total", "Renewals of the lease that came later than two heartbeats.", ()),
        ("leases_acquired_total", "How often this instance became the leader.", ()),
        ("leases_lost_total", "How often this instance ceased to be the leader.", ()),
        ("log_records_sent_total", "Log lines that the collector of log lines has taken.", ()),
        ("log_records_dropped_total", "Log lines that the collector did not get, by reason.", ("reason",)),
        ("partition_moves_total", "Partitions that this instance took or gave away, by which of the two.", ("change",)),
        ("partition_disagreements_total", "Times at which members differed about a partition, by reason.", ("reason",)),
        ("stage_commits_total", "Batches of a stage that were committed.", ()),
        ("stage_messages_total", "Input messages that a stage has taken.", ()),
        ("trace_spans_total", "Spans that were recorded to be sent to the collector.", ()),
        ("trace_spans_dropped_total", "Spans that the collector did not get, by reason.", ("reason",)),
    ),
    *_gauges(
        ("http_certificate_not_after_seconds", "When the certificate of the HTTP side ends, seconds since 1970."),
        (
            "event_loop_worst_stall_seconds",
            "The longest that the event loop was blocked since the last scrape, in seconds.",
        ),
        ("job_runs_running", "Runs of jobs that this instance is doing."),
        ("service_ready", "1 where this instance is ready to do its work, else 0."),
        ("service_uptime_seconds", "How long this instance runs, in seconds."),
        ("log_records_waiting", "Log lines that wait to be taken by the collector."),
        ("event_loop_tasks", "Tasks of the event loop that have not ended."),
        ("nats_connected", "1 while there is a connection to NATS, else 0."),
        ("nats_unsent_bytes", "What waits to be written to the connection to NATS, in bytes."),
        ("rpc_requests_running", "Calls that are being answered now."),
        ("leader", "1 where this instance is the leader, else 0."),
        ("lease_epoch", "Number of the leadership that this instance has or had last; each new leader counts one on."),
        ("takeover_seconds", "How long the last takeover by this instance took, in seconds."),
        ("partitions_owned", "Partitions that are this instance's."),
        ("partitions_worked_on", "Partitions whose stage is open in this instance."),
        ("partitions_apart", "Partitions about which the records and this instance differ now."),
        ("stage_poisoned", "Messages that the open partitions could not take and have set aside."),
        ("stage_refused", "Partitions whose checkpoint belongs to another input and is not gone on from."),
        ("stage_partitions", "Partitions in the last committed batch."),
    ),
    Family("rpc_seconds", MetricKind.HISTOGRAM, "How long a call took to answer, in seconds.", ("method",)),
    Family("command_seconds", MetricKind.HISTOGRAM, "How long an attempt at a command took, in seconds.", ("command",)),
    Family("job_seconds", MetricKind.HISTOGRAM, "How long a run of a job took, in seconds.", ("handler",), JOB_SECONDS),
    Family("stage_commit_seconds", MetricKind.HISTOGRAM, "How long a batch of a stage took to commit, in seconds."),
    Family(
        "traced_age_seconds",
        MetricKind.HISTOGRAM,
        "Age of the messages that are followed from their origin, when this stage was through with them, in seconds.",
    ),
)

__all__ = ["FRAMEWORK", "JOB_SECONDS", "ROWS", "SECONDS", "Family", "MetricKind", "MetricsSettings"]
