"""Storage and query: what is stored, how far, and how those who ask are served."""

from __future__ import annotations

from marketprism_services.monitoring.dashboards.panel import Dashboard, Panel, Show, quantile, rate

STORAGE = Dashboard(
    "storage",
    "Storage and query",
    "The store, questions to it, and the API before them.",
    (
        Panel(
            "Store",
            "1 healthy, 0.5 degraded, 0 unhealthy.",
            "short",
            (("max(marketprism_store_up)", "store"),),
            Show.NUMBER,
            4,
        ),
        Panel(
            "Free",
            "Room on the disks of the store.",
            "bytes",
            (("min by (disk) (marketprism_store_disk_free_bytes)", "{{disk}}"),),
            Show.NUMBER,
            4,
        ),
        Panel(
            "Rows stored",
            "Rows a second that went into the store, by stream.",
            "cps",
            ((rate("marketprism_rows_stored_total", "stream"), "{{stream}}"),),
        ),
        Panel(
            "Behind",
            "Age of the oldest message that is not stored.",
            "s",
            (("max by (stream) (marketprism_store_lag_seconds)", "{{stream}}"),),
            worse_above=10,
        ),
        Panel(
            "Inserts",
            "How long an insert took, 99 %.",
            "s",
            ((quantile(0.99, "marketprism_store_batch_seconds", "stream"), "{{stream}}"),),
        ),
        Panel(
            "Rows of an insert",
            "Half of the inserts have more.",
            "short",
            ((quantile(0.5, "marketprism_store_batch_rows", "stream"), "{{stream}}"),),
        ),
        Panel(
            "Repeated and refused",
            "Inserts that were repeated, and rows that no table took, a second.",
            "cps",
            (
                (rate("marketprism_store_retries_total", "stream"), "{{stream}} repeated"),
                (rate("marketprism_dead_rows_total", "stream"), "{{stream}} refused"),
            ),
        ),
        Panel(
            "Tables, bytes",
            "Size on each disk of the store.",
            "bytes",
            (("max by (table, disk) (marketprism_table_disk_bytes)", "{{table}} {{disk}}"),),
            Show.BARS,
        ),
        Panel(
            "Tables, rows",
            "Rows; those that lie there twice until a merge, too.",
            "short",
            (("max by (table) (marketprism_table_rows)", "{{table}}"),),
            Show.BARS,
        ),
        Panel(
            "Parts",
            "Many parts mean that merges do not keep up.",
            "short",
            (("max by (table) (marketprism_table_parts)", "{{table}}"),),
        ),
        Panel(
            "Questions",
            "Questions a second.",
            "cps",
            ((rate("marketprism_query_seconds_count", "question"), "{{question}}"),),
        ),
        Panel(
            "Time of questions",
            "99 % took less.",
            "s",
            ((quantile(0.99, "marketprism_query_seconds", "question"), "{{question}}"),),
        ),
        Panel(
            "Failed questions",
            "By code, a second.",
            "cps",
            ((rate("marketprism_query_failures_total", "code"), "{{code}}"),),
        ),
        Panel(
            "Cache",
            "Part of the questions about bars that the cache answered.",
            "percentunit",
            (
                (
                    (
                        "sum(rate(marketprism_cache_hits_total[$__rate_interval]))"
                        " / (sum(rate(marketprism_cache_hits_total[$__rate_interval]))"
                        " + sum(rate(marketprism_cache_misses_total[$__rate_interval])) > 0)"
                    ),
                    "hits",
                ),
            ),
        ),
        Panel(
            "Requests",
            "Requests to the API a second, by status.",
            "cps",
            ((rate("marketprism_http_requests_total", "status"), "{{status}}"),),
        ),
        Panel(
            "Time of requests",
            "99 % took less, by route.",
            "s",
            ((quantile(0.99, "marketprism_http_request_seconds", "route"), "{{route}}"),),
        ),
        Panel(
            "Being answered, refused",
            "Requests inside now; those a second that were refused because of too many.",
            "short",
            (
                ("sum(marketprism_http_requests_running)", "inside"),
                (rate("marketprism_http_requests_shed_total"), "refused"),
            ),
        ),
        Panel(
            "Live stream",
            "Connections, channels, and tapes being read from their streams.",
            "short",
            (
                ("sum(marketprism_stream_connections)", "connections"),
                ("sum(marketprism_stream_channels)", "channels"),
                ("sum(marketprism_stream_catch_ups)", "catching up"),
            ),
        ),
        Panel(
            "Live stream, messages",
            "Messages a second to clients, and states skipped for newer ones.",
            "cps",
            (
                (rate("marketprism_stream_messages_sent_total"), "sent"),
                (rate("marketprism_stream_conflated_total"), "skipped"),
            ),
        ),
    ),
)

__all__ = ["STORAGE"]
