"""Broker, Elections and shards, Runtime: what carries the pipeline."""

from __future__ import annotations

from marketprism_services.monitoring.dashboards.panel import Dashboard, Panel, Show, quantile, rate

_OF = '{service=~"$service"}'
_WHO = "{{service}} {{instance}}"

BROKER = Dashboard(
    "broker",
    "Broker",
    "NATS as the services see it: streams, connections, traffic.",
    (
        Panel(
            "Fill of streams",
            "Bytes held of those allowed; `JetStream` is everything together.",
            "percentunit",
            (("max by (stream) (marketprism_stream_bytes / (marketprism_stream_bytes_limit > 0))", "{{stream}}"),),
            Show.BARS,
            12,
        ),
        Panel(
            "Bytes",
            "Bytes that streams hold.",
            "bytes",
            (("max by (stream) (marketprism_stream_bytes)", "{{stream}}"),),
            width=12,
        ),
        Panel(
            "Messages",
            "Messages that streams hold.",
            "short",
            (("max by (stream) (marketprism_stream_messages)", "{{stream}}"),),
        ),
        Panel(
            "Oldest message",
            "How far back a reader can go.",
            "s",
            (("max by (stream) (marketprism_stream_oldest_seconds)", "{{stream}}"),),
        ),
        Panel(
            "Consumers",
            "Consumers of streams.",
            "short",
            (("max by (stream) (marketprism_stream_consumers)", "{{stream}}"),),
        ),
        Panel(
            "Replicas behind",
            "Replicas that lack something or are not there.",
            "short",
            (("max by (stream) (marketprism_stream_replicas_behind)", "{{stream}}"),),
            worse_above=1,
        ),
        Panel(
            "Connections by server",
            "Connections at each NATS server; one that is away has no line.",
            "short",
            (("max by (server) (marketprism_broker_connections)", "{{server}}"),),
        ),
        Panel(
            "Connected",
            "1 while an instance has a connection to NATS.",
            "short",
            (("marketprism_nats_connected", _WHO),),
        ),
        Panel(
            "Reconnects",
            "Connections that stood again, a second.",
            "cps",
            ((rate("marketprism_nats_reconnects_total", "service"), "{{service}}"),),
        ),
        Panel(
            "Sent",
            "Bytes a second to NATS.",
            "Bps",
            ((rate("marketprism_nats_sent_bytes_total", "service"), "{{service}}"),),
        ),
        Panel(
            "Received",
            "Bytes a second from NATS.",
            "Bps",
            ((rate("marketprism_nats_received_bytes_total", "service"), "{{service}}"),),
        ),
        Panel(
            "Not yet written",
            "What waits to be written to the connection.",
            "bytes",
            (("marketprism_nats_unsent_bytes", _WHO),),
        ),
        Panel(
            "Refused and dropped",
            "Subjects that NATS refused, and messages that found a queue full.",
            "short",
            (
                ("sum by (service) (marketprism_nats_not_permitted_total)", "refused: {{service}}"),
                ("sum by (service) (marketprism_bus_messages_dropped_total)", "dropped: {{service}}"),
            ),
            worse_above=1,
        ),
    ),
)

ELECTIONS = Dashboard(
    "elections",
    "Elections and shards",
    "Who leads, since which number, how long takeovers took, who has which part; and runs of jobs.",
    (
        Panel(
            "Leaders",
            "1 where an instance leads; two of one group must never last.",
            "short",
            (("marketprism_leader", _WHO),),
            width=12,
        ),
        Panel(
            "Leases",
            "1 where the holder of a lease is there.",
            "short",
            (("max by (lease) (marketprism_lease_held)", "{{lease}}"),),
            width=12,
        ),
        Panel(
            "Number of the leadership",
            "Each new leader counts one on.",
            "short",
            (("max by (lease) (marketprism_lease_epoch_held)", "{{lease}}"),),
        ),
        Panel(
            "Takeover",
            "How long the last takeover of an instance took.",
            "s",
            (("marketprism_takeover_seconds", _WHO),),
            worse_above=10,
        ),
        Panel(
            "Won and lost",
            "Leaderships won and lost, a second.",
            "cps",
            (
                (rate("marketprism_leases_acquired_total", "service"), "{{service}} won"),
                (rate("marketprism_leases_lost_total", "service"), "{{service}} lost"),
            ),
        ),
        Panel(
            "Renewals",
            "Renewals a second, and late ones.",
            "cps",
            (
                (rate("marketprism_lease_renewals_total", "service"), "{{service}}"),
                (rate("marketprism_lease_renewals_late_total", "service"), "{{service}} late"),
            ),
        ),
        Panel(
            "Partitions owned",
            "By instance; their sum is always the same.",
            "short",
            (("marketprism_partitions_owned", _WHO),),
        ),
        Panel(
            "Partitions worked on",
            "Partitions whose stage is open.",
            "short",
            (("marketprism_partitions_worked_on", _WHO),),
        ),
        Panel(
            "Moves",
            "Partitions taken and given away, a second.",
            "cps",
            ((rate("marketprism_partition_moves_total", "service, change"), "{{service}} {{change}}"),),
        ),
        Panel(
            "Differences",
            "Partitions about which records and instance differ.",
            "short",
            (("marketprism_partitions_apart", _WHO),),
            worse_above=1,
        ),
        Panel(
            "Runs of jobs",
            "Runs that are under way, and those that wait.",
            "short",
            (
                ("sum(marketprism_schedule_running)", "under way"),
                ("sum(marketprism_schedule_waiting)", "waiting"),
                ("sum(marketprism_job_runs_running)", "being done"),
            ),
        ),
        Panel(
            "Ends of runs",
            "How runs of jobs ended, a second.",
            "cps",
            ((rate("marketprism_schedule_runs_total", "result"), "{{result}}"),),
        ),
        Panel(
            "Data jobs",
            "Jobs of the data service that have not ended, and tasks of theirs that are being done.",
            "short",
            (("sum(marketprism_data_jobs_open)", "jobs"), ("sum(marketprism_data_tasks_running)", "tasks")),
        ),
        Panel(
            "Backtests",
            "Backtests that have not ended, tasks of theirs that are being done, and results that the storage has not taken.",
            "short",
            (
                ("sum(marketprism_backtest_open)", "open"),
                ("sum(marketprism_backtest_tasks_running)", "tasks"),
                ("sum(marketprism_backtest_results_waiting)", "results that wait"),
            ),
        ),
        Panel(
            "Ends of data tasks",
            "How tasks of data jobs ended, a second.",
            "cps",
            ((rate("marketprism_data_tasks_total", "job, result"), "{{job}} {{result}}"),),
        ),
        Panel(
            "Rows of data jobs",
            "Rows that downloads, imports and repairs have stored, a second.",
            "cps",
            ((rate("marketprism_data_rows_total", "job, kind"), "{{job}} {{kind}}"),),
        ),
    ),
)

RUNTIME = Dashboard(
    "runtime",
    "Runtime",
    "Each process: processor, memory, loop, files, calls, log.",
    (
        Panel(
            "Processor",
            "Cores that a process uses.",
            "short",
            ((f"rate(process_cpu_seconds_total{_OF}[$__rate_interval])", _WHO),),
        ),
        Panel("Memory", "Resident memory.", "bytes", ((f"process_resident_memory_bytes{_OF}", _WHO),)),
        Panel(
            "Open files",
            "Of those that a process may open.",
            "percentunit",
            ((f"process_open_fds{_OF} / process_max_fds{_OF}", _WHO),),
            worse_above=0.8,
        ),
        Panel(
            "Longest stall",
            "The longest that the event loop was blocked between two scrapes.",
            "s",
            ((f"marketprism_event_loop_worst_stall_seconds{_OF}", _WHO),),
            worse_above=0.25,
        ),
        Panel(
            "Stalls",
            "Stalls of a quarter of a second and more, a minute.",
            "cpm",
            ((f"rate(marketprism_event_loop_stalls_total{_OF}[$__rate_interval]) * 60", _WHO),),
        ),
        Panel(
            "Tasks",
            "Tasks of the event loop that have not ended; what only grows is a leak.",
            "short",
            ((f"marketprism_event_loop_tasks{_OF}", _WHO),),
        ),
        Panel(
            "Garbage",
            "Collections of the oldest generation, a second.",
            "cps",
            (('rate(python_gc_collections_total{service=~"$service",generation="2"}[$__rate_interval])', _WHO),),
        ),
        Panel(
            "Dependencies",
            "1 healthy, 0.5 degraded, 0 unhealthy.",
            "short",
            ((f"marketprism_dependency_up{_OF}", _WHO + " {{dependency}}"),),
        ),
        Panel(
            "Log",
            "Lines a second, by level.",
            "cps",
            ((rate("marketprism_log_lines_total", "service, level", _OF), "{{service}} {{level}}"),),
        ),
        Panel(
            "Calls",
            "How long calls took to answer, 99 %.",
            "s",
            ((quantile(0.99, "marketprism_rpc_seconds", "service, method"), "{{service}} {{method}}"),),
        ),
        Panel(
            "Failed calls",
            "Calls answered with an error, a second.",
            "cps",
            ((rate("marketprism_rpc_errors_total", "method, code", _OF), "{{method}} {{code}}"),),
        ),
        Panel(
            "Running",
            "Since when instances run, and whether they are ready.",
            "s",
            ((f"marketprism_service_uptime_seconds{_OF}", _WHO),),
        ),
        Panel(
            "Versions",
            "Instances by version: more than one during an upgrade only.",
            "short",
            (("count by (version) (marketprism_build_info)", "{{version}}"),),
            Show.BARS,
        ),
        Panel(
            "Dead letters",
            "Commands and messages set aside since the start.",
            "short",
            ((f"marketprism_dead_letters_total{_OF}", _WHO),),
            worse_above=1,
        ),
        Panel(
            "Traces",
            "Spans a second that were recorded, and that were lost.",
            "cps",
            (
                (rate("marketprism_trace_spans_total", "service", _OF), "{{service}}"),
                (rate("marketprism_trace_spans_dropped_total", "service, reason", _OF), "{{service}} lost: {{reason}}"),
            ),
        ),
        Panel(
            "Log lines at the collector",
            "Log lines a second that the collector took, and that were lost to it.",
            "cps",
            (
                (rate("marketprism_log_records_sent_total", "service", _OF), "{{service}}"),
                (
                    rate("marketprism_log_records_dropped_total", "service, reason", _OF),
                    "{{service}} lost: {{reason}}",
                ),
            ),
        ),
    ),
    by_service=True,
)

__all__ = ["BROKER", "ELECTIONS", "RUNTIME"]
