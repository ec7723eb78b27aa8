"""Every metric of the pipeline beside those of the framework: one row each, `docs/metrics.md` is made of them."""

from __future__ import annotations

from collections.abc import Iterator

from marketprism_sdk.observability import JOB_SECONDS, ROWS, Family, MetricKind, MetricsSettings

_STREAM = ("stream",)
_TICK_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_SCORES = (10.0, 30.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0)  # 100 is above them all

_COUNTERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # monitor
    (
        "config_changes_total",
        "Changes of the central configuration: changed, rolled_back, refused, conflict.",
        ("result",),
    ),
    # monitor, of NATS
    (
        "broker_slow_consumers_total",
        "Connections of our account that a NATS server cut because they did not read what they were sent.",
        ("server",),
    ),
    ("broker_received_messages_total", "Messages that a NATS server got from our account.", ("server",)),
    ("broker_sent_messages_total", "Messages that a NATS server handed to our account.", ("server",)),
    # notifier
    ("alerts_received_total", "Alerts that were reported over HTTP, repeated ones too.", ("severity", "status")),
    ("alerts_refused_total", "Requests with alerts that were refused, by reason: token, body.", ("reason",)),
    ("notifications_total", "Messages that were sent, failed or were refused, by channel.", ("channel", "result")),
    ("notifications_handed_over_total", "Notices that the fallback got instead of the channel.", ("channel",)),
    # scheduler
    (
        "schedule_runs_total",
        "Runs of jobs that have ended, by how; missed due times are among them.",
        ("job", "result"),
    ),
    ("schedule_retries_total", "Attempts at runs beyond the first, of runs that have ended.", ("job",)),
    # order
    ("order_lookups_failed_total", "Newest prices and terms that the read side did not give, by which.", ("kind",)),
    ("backtest_rows_total", "Rows that strategies were run over.", ()),
    ("backtest_tasks_total", "Tasks of backtests that have ended here, by how.", ("result",)),
    ("backtests_ended_total", "Runs, sweeps and walk-forwards that have ended, by what and how.", ("kind", "result")),
    ("order_tables_refused_total", "Records of imported tables that are none and were left out.", ()),
    # data
    ("data_rows_total", "Rows that data jobs have stored, by what the job does and the kind of data.", ("job", "kind")),
    ("data_tasks_total", "Tasks of data jobs that have ended here, by what they did and how.", ("job", "result")),
    # gateway
    ("messages_received_total", "Messages of the source that went into the raw log.", ()),
    ("ticks_received_total", "Ticks of the source that went into the raw log.", ()),
    ("frames_refused_total", "Frames of a venue that could not be read, by reason.", ("venue", "reason")),
    ("events_not_published_total", "Market events that NATS did not take; the log has them.", ()),
    ("source_retries_total", "Attempts to reach a source that was away.", ()),
    ("gateway_failures_total", "Failures that made the gateway begin its session anew, by error.", ("error",)),
    ("source_ticks_dropped_total", "Ticks that found the queue of the source full; each is within a gap.", ()),
    (
        "source_messages_skipped_total",
        "Messages of a source that are left out by its rules, as rows without a price.",
        (),
    ),
    ("source_connects_total", "Connections to the venue that were opened.", ()),
    ("source_renewals_total", "Connections that were replaced before the venue would have closed them.", ()),
    ("source_losses_total", "Connections to the venue that were lost.", ()),
    ("source_frames_total", "Frames that came from the venue.", ()),
    ("source_repeats_total", "Frames that a second connection had brought already.", ()),
    ("source_book_gaps_total", "Breaks in the chains of order books.", ()),
    ("source_book_resyncs_total", "Order books that were begun anew after a break.", ()),
    ("source_book_audits_total", "Order books that were compared with a fresh snapshot of the venue.", ()),
    ("source_book_audits_failed_total", "Comparisons with a snapshot in which the book differed.", ()),
    ("source_book_audits_not_compared_total", "Comparisons for which the venue gave no snapshot that fits.", ()),
    ("source_book_snapshots_total", "Whole order books that were asked of the venue.", ()),
    ("source_trades_fetched_total", "Trades that the stream had missed and that were fetched.", ()),
    ("source_holes_given_up_total", "Holes in the ids of trades that could not be filled; each is a gap.", ()),
    ("source_requests_total", "Requests to the venue.", ()),
    ("source_requests_refused_total", "Requests that the venue refused.", ()),
    ("source_requests_wait_seconds_total", "Time that requests waited for the venue's budget, in seconds.", ()),
    ("captured_frames_total", "Raw frames that were written to capture files.", ()),
    ("capture_frames_dropped_total", "Raw frames that the disk did not take in time; the capture lacks them.", ()),
    ("capture_failures_total", "Writes to a capture file that failed.", ()),
    # storage: the archive
    ("archive_rows_total", "Rows that were written to archived files.", ("table",)),
    ("archive_bytes_total", "Bytes of archived files that were written.", ("table",)),
    (
        "archive_verify_failures_total",
        "Archived files that were not what they are to be; nothing was dropped.",
        ("table",),
    ),
    ("archive_units_read_total", "Archived partitions that answers took rows from.", ()),
    # storage: encrypted copies of everything
    ("backup_rows_total", "Rows that were written to backups; what an earlier one has is not written again.", ()),
    ("backup_bytes_total", "Bytes that were written to the place of backups, encrypted.", ()),
    ("backup_failures_total", "Backups that were begun and not finished.", ()),
    ("backup_verify_failures_total", "Backups of which an object was not what was written.", ()),
    ("restore_drill_failures_total", "Drills after which something was not as it had been.", ()),
    # validator, aggregator
    ("malformed_messages_total", "Messages of the input stream that could not be decoded; each is a dead letter.", ()),
    ("input_cuts_total", "Times at which the input stream began later than where the stage had ended.", ("replaced",)),
    ("truncated_gaps_total", "Gaps that were named because the input stream no longer had the messages.", ()),
    ("stream_truncated_total", "Times at which a stream let messages go before they were read.", _STREAM),
    ("out_of_chain_messages_total", "Messages of a session whose beginning was not seen, by source.", ("source",)),
    ("out_of_chain_ticks_total", "Ticks in messages that are out of chain, by source.", ("source",)),
    ("rules_trials_total", "Trials of validation rules, by how they ended: done or failed.", ("status",)),
    ("rules_refused_total", "Validation rules in the bucket that are none; those in force stay.", ()),
    ("ticks_validated_total", "Ticks that were validated, by result: accepted (stale ones too) or not.", ("result",)),
    ("gaps_total", "Gaps that were named, by cause.", ("cause",)),
    ("gap_seconds_total", "Length of the gaps that were named, in seconds, by cause.", ("cause",)),
    ("market_events_total", "Events that validation put into the log, by name.", ("event",)),
    ("bars_total", "Bars and revisions of bars that were made, by interval.", ("interval",)),
    ("bars_revised_total", "Revisions of bars, by interval.", ("interval",)),
    ("bars_gapped_total", "Bars over a window in which data is known to be missing, by interval.", ("interval",)),
    # storage
    ("rows_stored_total", "Rows that were inserted into the store.", _STREAM),
    (
        "dead_rows_total",
        "Rows that the store refused for what they hold; `marketprism dead-letters` lists them.",
        _STREAM,
    ),
    ("store_retries_total", "Attempts at an insert that the store did not answer.", _STREAM),
    ("store_refills_total", "Times at which a store was read anew from a stream, by reason.", ("stream", "reason")),
    ("streams_made_anew_total", "Streams that were missing and were created again, empty.", _STREAM),
    # query
    ("cache_hits_total", "Questions about bars that were answered from the cache.", ()),
    ("cache_misses_total", "Questions about bars that went to the store.", ()),
    ("query_rows_total", "Rows of the answers to questions.", ()),
    ("query_failures_total", "Questions that were answered with an error, by its code.", ("question", "code")),
    ("tail_malformed_total", "Bars of the stream that could not be decoded for the tail.", ()),
    # api
    ("http_requests_total", "Requests that were answered, by route and status.", ("route", "status")),
    ("oidc_failures_total", "Times that the OpenID provider did not answer, or not as a provider does.", ()),
    ("http_requests_shed_total", "Requests that were refused because too many were being answered.", ()),
    ("backend_ejections_total", "Times at which an instance behind the gateway was left out.", ("service",)),
    (
        "backend_breaker_changes_total",
        "Changes of the circuit before a service: open, nobody answers and nothing is asked.",
        ("service", "state"),
    ),
    ("backend_hedged_total", "Reads that were put to a second instance because the first was slow.", ("service",)),
    ("interfaces_refused_total", "Interfaces of services that were not taken; the log says why.", ()),
    ("newest_ticks_malformed_total", "Messages of a tick's subject that are no ticks, and were passed over.", ()),
    ("streamed_rows_total", "Rows of streamed answers.", ()),
    ("streams_cut_total", "Streamed answers whose reader went away or took nothing.", ()),
    ("streams_failed_total", "Streamed answers that ended in an error.", ()),
    # api: the live stream
    ("stream_messages_sent_total", "Messages that were written to clients of the live stream.", ()),
    ("stream_conflated_total", "Messages of states that were skipped for a newer one of their subject.", ()),
    ("stream_lagging_total", "Times at which a tape was read from its stream because its reader was too slow.", ()),
    ("stream_gaps_total", "Gaps that clients were sent: messages that a stream does not hold any more.", ()),
    ("stream_malformed_total", "Messages of a stream that could not be decoded for clients.", _STREAM),
    ("stream_closed_total", "Connections to the live stream that ended, by their close code.", ("code",)),
)
_GAUGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # every service
    ("config_pending", "Settings that were changed centrally and wait for a restart of this process.", ()),
    ("config_version", "Version of the central configuration that this process runs with.", ()),
    # backtest
    ("backtest_open", "Runs, sweeps and walk-forwards that have not ended, 0 of an instance that does not lead.", ()),
    ("backtest_results_waiting", "Results and ended records of backtests that the storage has not taken yet.", ()),
    ("backtest_tasks_running", "Tasks of backtests that are being done here.", ()),
    # scheduler
    ("schedule_jobs", "Jobs that are planned by this instance, 0 of one that does not lead.", ()),
    ("schedule_last_success_seconds", "When a job has last succeeded, seconds since 1970.", ("job",)),
    ("data_jobs_open", "Data jobs that have not ended, of the instance that leads; 0 of the others.", ()),
    ("data_tasks_running", "Tasks of data jobs that are being done here.", ()),
    ("schedule_running", "Runs of jobs that are under way.", ()),
    ("schedule_waiting", "Runs of jobs that are to begin, and have not.", ()),
    # storage: the archive
    ("archive_units", "Archived partitions, by the state of their move.", ("state",)),
    # storage: encrypted copies of everything
    ("backup_last_success_seconds", "When the newest backup was finished, seconds since 1970; 0 without one.", ()),
    ("backup_duration_seconds", "How long the newest backup took, in seconds.", ()),
    ("backup_size_bytes", "Bytes of everything that the newest backup needs.", ()),
    ("backup_rows", "Rows in the newest backup.", ()),
    ("backup_sets", "Backups that are finished and there.", ()),
    (
        "restore_drill_last_success_seconds",
        "When a backup was last restored in a drill and found to be as it was, seconds since 1970; 0 without one.",
        (),
    ),
    ("restore_drill_seconds", "How long the last drill took from its begin to a store that answers, in seconds.", ()),
    ("restore_drill_behind_seconds", "How old the backup was that the last drill restored, in seconds.", ()),
    # notifier
    ("notifications_waiting", "Notices that wait for a channel.", ()),
    # gateway
    ("source_queue_deepest", "The most ticks that waited between the source and the pipeline.", ()),
    ("source_connected", "1 while the source is connected and its instruments are subscribed, else 0.", ()),
    ("source_expected", "1 while a live source is connected and what it has trades by the calendar, else 0.", ()),
    ("source_quiet_seconds", "For how long a live source has brought nothing, in seconds.", ()),
    ("source_connections", "Connections to the venue that there are to be.", ()),
    ("source_connections_up", "Connections to the venue that stand.", ()),
    ("source_streams_pending", "Streams of the venue that are not yet subscribed.", ()),
    ("source_streams_subscribed", "Streams of the venue that are subscribed and have brought nothing yet.", ()),
    ("source_streams_flowing", "Streams of the venue that bring data at their usual pace.", ()),
    ("source_streams_stale", "Streams of the venue that are quiet for longer than they are used to be.", ()),
    ("source_streams_refused", "Streams that the venue refused.", ()),
    ("source_event_delay_shortest_seconds", "The shortest time from a venue's event to here, of late, in seconds.", ()),
    ("source_event_delay_longest_seconds", "The longest time from a venue's event to here, of late, in seconds.", ()),
    ("source_books", "Order books that are followed.", ()),
    ("source_books_valid", "Order books that are the venue's now.", ()),
    (
        "source_instruments_read_seconds",
        "When the list of instruments was read from the venue, as seconds since 1970.",
        (),
    ),
    ("source_clock_skew_seconds", "By how much this machine's clock is ahead of the venue's, in seconds.", ()),
    # validator
    ("gateway_sessions", "Sessions of gateways that the open partitions remember.", ()),
    (
        "clock_offset_seconds",
        "Receive clock against the venue's: the largest offset of its sources, in seconds.",
        ("venue",),
    ),
    ("rules_version", "Version of the validation rules in force.", ()),
    ("instruments_followed", "Instruments of the open partitions that have had a tick.", ()),
    # storage
    ("store_up", "The store: 1 healthy, 0.5 degraded, 0 unhealthy.", ()),
    ("store_watermark", "Up to which sequence a stream is stored.", _STREAM),
    ("store_refilling", "1 while a store is read anew from a stream.", _STREAM),
    ("store_disk_free_bytes", "Room on a disk of the store, in bytes.", ("disk",)),
    ("store_disk_bytes", "Size of a disk of the store, in bytes.", ("disk",)),
    ("table_rows", "Rows of a table; those that lie there twice until a merge, too.", ("table",)),
    ("table_bytes", "Size of a table on disk, in bytes.", ("table",)),
    ("table_parts", "Parts of a table.", ("table",)),
    ("table_disk_bytes", "What of a table lies on a disk, in bytes.", ("table", "disk")),
    ("table_disk_parts", "Parts of a table on a disk.", ("table", "disk")),
    # query
    ("cache_bytes", "Memory of the answers that are cached, in bytes.", ()),
    ("tail_bars", "Bars that are laid over the store because it does not have them yet.", ()),
    ("tail_dropped_bars", "Bars of the tail that were dropped since the start because there were too many.", ()),
    # api
    ("http_requests_running", "Requests that are being answered now.", ()),
    ("interfaces_known", "Interfaces of services that the door knows, also of those that have just gone.", ()),
    ("newest_ticks_kept", "Instruments whose newest tick is kept because it is asked for often.", ()),
    # monitor
    ("pipeline_problem", "Amount of a problem that stands, 0 when it is over.", ("kind", "stage", "where")),
    ("pipeline_problems", "Problems of the pipeline that stand now; 0 is healthy.", ()),
    ("pipeline_verified_ticks", "Ticks that were counted in at the gateway and found again in the store.", ()),
    ("stage_lag_messages", "Messages that a stage is behind its input.", ("stage",)),
    ("stage_lag_seconds", "Age of the oldest message that a stage has not taken, in seconds.", ("stage",)),
    ("core_info", "Always 1; the label says which core runs, compiled or pure.", ("core",)),
    ("store_lag_messages", "Messages of a stream that are not stored.", _STREAM),
    ("store_lag_seconds", "Age of the oldest message that is not stored, in seconds.", _STREAM),
    ("registry_instances", "Instances of services that have a heartbeat.", ("service", "status")),
    ("lease_held", "1 where the holder of a lease is there, else 0.", ("lease",)),
    ("lease_epoch_held", "Number of the leadership of a lease.", ("lease",)),
    ("source_finished", "1 where a recording is at its end and everything of it is in the raw log.", ()),
    ("ticks_stale", "Ticks among the accepted that were old when they came.", ()),
    ("ticks_redelivered", "Ticks that came a second time and were passed over.", ()),
    ("bars_made", "Bars that all aggregators have made so far, by interval.", ("interval",)),
    ("ticks_accepted", "Ticks that all validators have accepted so far.", ()),
    ("ticks_rejected", "Ticks that all validators have rejected so far, by reason.", ("reason",)),
    ("ticks_out_of_chain", "Ticks that no validator took, of sessions whose beginning was not seen.", ()),
    ("stream_bytes", "Bytes that a stream holds; `JetStream` is everything together.", _STREAM),
    ("stream_bytes_limit", "Bytes that a stream may hold; `JetStream` is everything together.", _STREAM),
    ("stream_messages", "Messages that a stream holds.", _STREAM),
    ("stream_oldest_seconds", "Age of the oldest message of a stream, in seconds.", _STREAM),
    ("stream_consumers", "Consumers of a stream.", _STREAM),
    ("stream_replicas_behind", "Replicas of a stream that lack something or are not there.", _STREAM),
    ("stream_replica_lag", "What the slowest replica of a stream lacks, in operations of the cluster's log.", _STREAM),
    ("broker_storage_reserved_bytes", "Bytes that JetStream has promised to streams, used or not.", ()),
    ("broker_servers", "NATS servers that answer.", ()),
    ("broker_connections", "Connections of our account at a NATS server.", ("server",)),
    ("broker_subscriptions", "Subscriptions of our account at a NATS server.", ("server",)),
    # api: the live stream
    ("stream_connections", "Connections to the live stream, WebSockets and server-sent events.", ()),
    ("stream_channels", "Channels of all connections to the live stream.", ()),
    ("stream_waiting_bytes", "Bytes of tapes that wait because the sockets of their readers are full.", ()),
    ("stream_catch_ups", "Channels that are being read from their streams now.", ()),
)


def _families() -> Iterator[Family]:
    for kind, rows in ((MetricKind.COUNTER, _COUNTERS), (MetricKind.GAUGE, _GAUGES)):
        yield from (Family(name, kind, text, labels) for name, text, labels in rows)
    yield Family("store_batch_seconds", MetricKind.HISTOGRAM, "How long an insert took, in seconds.", _STREAM)
    yield Family("http_request_seconds", MetricKind.HISTOGRAM, "How long a request took, in seconds.", ("route",))
    yield Family(
        "validation_seconds", MetricKind.HISTOGRAM, "How long a message of ticks took to validate, in seconds."
    )
    yield Family(
        "validation_delay_seconds",
        MetricKind.HISTOGRAM,
        "From a gateway's publishing of a message to its ticks being validated, in seconds.",
    )
    yield Family(
        "tick_stage_seconds",
        MetricKind.HISTOGRAM,
        "How long ticks took, in seconds, by stage: receive (until on their way to the raw log), raw_log (until taken "
        "by the validator), validate, publish (until written to NATS).",
        ("stage",),
        _TICK_SECONDS,
    )
    yield Family(
        "bar_delay_seconds",
        MetricKind.HISTOGRAM,
        "From the close of a bar to its being made, in seconds, of bars that closed within the hour.",
        ("interval",),
    )
    yield Family(
        "quality_score",
        MetricKind.HISTOGRAM,
        "Scores, 0 to 100, of the windows of instruments, by venue.",
        ("venue",),
        _SCORES,
    )
    yield Family("query_seconds", MetricKind.HISTOGRAM, "How long a question took, in seconds.", ("question",))
    text = "How long a message took, its noting included, in seconds."
    yield Family("notification_seconds", MetricKind.HISTOGRAM, text, ("channel",))
    yield Family(
        "schedule_run_seconds",
        MetricKind.HISTOGRAM,
        "How long the last attempt of a run took, in seconds.",
        ("job",),
        JOB_SECONDS,
        most_series=100,
    )
    text = "From the instant at which a job was due to its run being begun, in seconds."
    yield Family("schedule_lateness_seconds", MetricKind.HISTOGRAM, text)
    yield Family("store_batch_rows", MetricKind.HISTOGRAM, "Rows of an insert.", _STREAM, ROWS)


METRICS = MetricsSettings("marketprism", tuple(_families()))

__all__ = ["METRICS"]
