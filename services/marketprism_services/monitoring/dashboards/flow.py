"""Overview, Pipeline and Feeds: what comes in, what becomes of it, and how late."""

from __future__ import annotations

from marketprism_services.monitoring.dashboards.panel import Dashboard, Panel, Show, quantile, rate
from marketprism_services.monitoring.objectives import OBJECTIVES

_BUDGETS = tuple(
    (f"1 - {objective.ratio_of('3d')} / {1 - objective.target:.6g}", objective.name.replace("_", " "))
    for objective in OBJECTIVES
)
_NOW = tuple((objective.ratio_of("5m"), objective.name.replace("_", " ")) for objective in OBJECTIVES)

OVERVIEW = Dashboard(
    "overview",
    "Overview",
    "Whether all is well: objectives, alerts, leaders, what flows.",
    (
        Panel(
            "Problems",
            "Problems of the pipeline that stand now; 0 is healthy.",
            "short",
            (("max(marketprism_pipeline_problems)", "problems"),),
            Show.NUMBER,
            4,
            6,
            1,
        ),
        Panel(
            "Instances up",
            "Instances that answer, of those that the monitor lists.",
            "short",
            (('count(up{job=~"marketprism.*"} == 1)', "up"), ('count(up{job=~"marketprism.*"})', "listed")),
            Show.NUMBER,
            4,
            6,
        ),
        Panel(
            "Leases held",
            "Leases whose holder is there.",
            "short",
            (("sum(max by (lease) (marketprism_lease_held))", "held"),),
            Show.NUMBER,
            4,
            6,
        ),
        Panel(
            "Ticks a second",
            "Ticks that gateways put into the raw log.",
            "cps",
            ((rate("marketprism_ticks_received_total"), "received"),),
            Show.NUMBER,
            4,
            6,
        ),
        Panel(
            "Rows stored a second",
            "Rows that went into the store.",
            "cps",
            ((rate("marketprism_rows_stored_total"), "rows"),),
            Show.NUMBER,
            4,
            6,
        ),
        Panel(
            "Verified ticks",
            "Ticks counted in at the gateway and found again in the store.",
            "short",
            (("max(marketprism_pipeline_verified_ticks)", "verified"),),
            Show.NUMBER,
            4,
            6,
        ),
        Panel(
            "Budget left, at the rate of 3 days",
            "Part of what may be bad in 28 days that would be left; below 0 the objective is missed.",
            "percentunit",
            _BUDGETS,
            Show.BARS,
            12,
            9,
        ),
        Panel(
            "Bad now, 5 minutes",
            "Part of everything that misses its objective.",
            "percentunit",
            _NOW,
            width=12,
            height=9,
        ),
        Panel(
            "Alerts",
            "Alerts that fire, by severity.",
            "short",
            (('count by (severity) (ALERTS{alertstate="firing"})', "{{severity}}"),),
            width=8,
        ),
        Panel(
            "What is behind",
            "Age of the oldest message that a stage or the store has not taken.",
            "s",
            (
                ("max by (stage) (marketprism_stage_lag_seconds)", "{{stage}}"),
                ("max by (stream) (marketprism_store_lag_seconds)", "store: {{stream}}"),
            ),
            width=8,
        ),
        Panel(
            "Instances",
            "Instances by service and status, as the registry has them.",
            "short",
            (("max by (service, status) (marketprism_registry_instances)", "{{service}} {{status}}"),),
            width=8,
        ),
    ),
)

PIPELINE = Dashboard(
    "pipeline",
    "Pipeline",
    "Rate, errors and duration of each stage.",
    (
        Panel(
            "Messages taken",
            "Input messages that stages have taken, a second.",
            "cps",
            ((rate("marketprism_stage_messages_total", "service"), "{{service}}"),),
        ),
        Panel(
            "Ticks by result",
            "Ticks validated a second: accepted or not.",
            "cps",
            ((rate("marketprism_ticks_validated_total", "result"), "{{result}}"),),
        ),
        Panel(
            "Rejected so far, by reason",
            "Ticks that all validators have rejected.",
            "short",
            (("max by (reason) (marketprism_ticks_rejected)", "{{reason}}"),),
            Show.BARS,
        ),
        Panel(
            "Delay of ticks",
            "From the gateway's publishing to being validated; the objective is 100 ms.",
            "s",
            (
                (quantile(0.5, "marketprism_validation_delay_seconds"), "half"),
                (quantile(0.99, "marketprism_validation_delay_seconds"), "99 %"),
            ),
            worse_above=0.1,
        ),
        Panel(
            "Delay of ticks by stage",
            "From receipt to the raw log, in the raw log, in the validator, and until written to NATS: 99 % took at most.",
            "s",
            ((quantile(0.99, "marketprism_tick_stage_seconds", "stage"), "{{stage}}"),),
        ),
        Panel(
            "Delay of ticks, all",
            "How many messages took how long: a second band shows what the quantiles hide.",
            "s",
            (("sum by (le) (rate(marketprism_validation_delay_seconds_bucket[$__rate_interval]))", "{{le}}"),),
            Show.HEAT,
        ),
        Panel(
            "Delay of bars",
            "From the close of a bar to its being made.",
            "s",
            ((quantile(0.99, "marketprism_bar_delay_seconds", "interval"), "{{interval}}"),),
        ),
        Panel(
            "Commits",
            "How long a batch of a stage took to commit.",
            "s",
            ((quantile(0.99, "marketprism_stage_commit_seconds", "service"), "{{service}}"),),
        ),
        Panel(
            "Behind, messages",
            "Messages that a stage has not taken.",
            "short",
            (("max by (stage) (marketprism_stage_lag_messages)", "{{stage}}"),),
        ),
        Panel(
            "Behind, seconds",
            "Age of the oldest message that a stage has not taken.",
            "s",
            (("max by (stage) (marketprism_stage_lag_seconds)", "{{stage}}"),),
            worse_above=5,
        ),
        Panel(
            "Bars",
            "Bars and revisions a second, by interval.",
            "cps",
            ((rate("marketprism_bars_total", "interval"), "{{interval}}"),),
        ),
        Panel(
            "Gaps",
            "Gaps named a minute, by cause.",
            "cpm",
            (("sum by (cause) (rate(marketprism_gaps_total[$__rate_interval])) * 60", "{{cause}}"),),
        ),
        Panel(
            "Set aside",
            "Messages that could not be decoded, and those that made a stage fail.",
            "short",
            (
                ("sum by (service) (marketprism_malformed_messages_total)", "malformed: {{service}}"),
                ("sum by (service) (marketprism_stage_poisoned)", "poisoned: {{service}}"),
            ),
            worse_above=1,
        ),
        Panel(
            "Quality",
            "Part of the windows with a score of 60 or less, by venue.",
            "percentunit",
            (
                (
                    (
                        'sum by (venue) (rate(marketprism_quality_score_bucket{le="60.0"}[$__rate_interval]))'
                        " / sum by (venue) (rate(marketprism_quality_score_count[$__rate_interval]))"
                    ),
                    "{{venue}}",
                ),
            ),
        ),
        Panel(
            "Events",
            "Market events a second that validation put into the log.",
            "cps",
            ((rate("marketprism_market_events_total", "event"), "{{event}}"),),
        ),
    ),
)

FEEDS = Dashboard(
    "feeds",
    "Feeds",
    "Each source: connected, expected, quiet; its streams, books, requests.",
    (
        Panel(
            "Connected and expected",
            "1 while connected, and while the calendar says that data are to flow.",
            "short",
            (
                ("marketprism_source_connected", "{{instance}} connected"),
                ("marketprism_source_expected", "{{instance}} expected"),
            ),
        ),
        Panel(
            "Quiet",
            "For how long a source has brought nothing.",
            "s",
            (("marketprism_source_quiet_seconds", "{{instance}}"),),
            worse_above=60,
        ),
        Panel(
            "Ticks",
            "Ticks a second that went into the raw log.",
            "cps",
            ((rate("marketprism_ticks_received_total", "instance"), "{{instance}}"),),
        ),
        Panel(
            "Messages",
            "Messages of sources a second that went into the raw log.",
            "cps",
            ((rate("marketprism_messages_received_total", "instance"), "{{instance}}"),),
        ),
        Panel(
            "Queue",
            "The most ticks that waited between source and pipeline.",
            "short",
            (("marketprism_source_queue_deepest", "{{instance}}"),),
        ),
        Panel(
            "Connections",
            "Connections that there are to be, and that stand.",
            "short",
            (
                ("marketprism_source_connections", "{{instance}} wanted"),
                ("marketprism_source_connections_up", "{{instance}} up"),
            ),
        ),
        Panel(
            "Streams of the venue",
            "By state: flowing, stale, refused, pending.",
            "short",
            (
                ("marketprism_source_streams_flowing", "{{instance}} flowing"),
                ("marketprism_source_streams_stale", "{{instance}} stale"),
                ("marketprism_source_streams_refused", "{{instance}} refused"),
                ("marketprism_source_streams_pending", "{{instance}} pending"),
            ),
        ),
        Panel(
            "Books",
            "Order books that are followed, and that are the venue's now.",
            "short",
            (
                ("marketprism_source_books", "{{instance}} followed"),
                ("marketprism_source_books_valid", "{{instance}} valid"),
            ),
        ),
        Panel(
            "Breaks of books",
            "Breaks in chains, and books begun anew, a second.",
            "cps",
            (
                (rate("marketprism_source_book_gaps_total", "instance"), "{{instance}} breaks"),
                (rate("marketprism_source_book_resyncs_total", "instance"), "{{instance}} begun anew"),
            ),
        ),
        Panel(
            "Requests",
            "Requests to the venue a second, and those it refused.",
            "cps",
            (
                (rate("marketprism_source_requests_total", "instance"), "{{instance}}"),
                (rate("marketprism_source_requests_refused_total", "instance"), "{{instance}} refused"),
            ),
        ),
        Panel(
            "Delay of events",
            "From a venue's event to here: the longest and the shortest of late.",
            "s",
            (
                ("marketprism_source_event_delay_longest_seconds", "{{instance}} longest"),
                ("marketprism_source_event_delay_shortest_seconds", "{{instance}} shortest"),
            ),
        ),
        Panel(
            "Clocks",
            "Our clock against the venue's.",
            "s",
            (("max by (venue) (marketprism_clock_offset_seconds)", "{{venue}}"),),
        ),
        Panel(
            "Losses and retries",
            "Connections lost, and attempts to reach a source that is away.",
            "cps",
            (
                (rate("marketprism_source_losses_total", "instance"), "{{instance}} lost"),
                (rate("marketprism_source_retries_total", "instance"), "{{instance}} retries"),
            ),
        ),
        Panel(
            "Dropped and refused",
            "Ticks that found the queue full, and frames that could not be read, a second.",
            "cps",
            (
                (rate("marketprism_source_ticks_dropped_total", "instance"), "{{instance}} dropped"),
                (rate("marketprism_frames_refused_total", "venue, reason"), "{{venue}} {{reason}}"),
            ),
        ),
    ),
)

__all__ = ["FEEDS", "OVERVIEW", "PIPELINE"]
