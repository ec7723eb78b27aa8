"""Metrics, traces, logs, and a watch on the event loop."""

from typing import TYPE_CHECKING

from marketprism_sdk.lazy import lazy_names

if TYPE_CHECKING:
    from marketprism_sdk.observability._export import check_endpoint, export_traces, record_traces
    from marketprism_sdk.observability._families import (
        FRAMEWORK,
        JOB_SECONDS,
        ROWS,
        SECONDS,
        Family,
        MetricKind,
        MetricsSettings,
    )
    from marketprism_sdk.observability._hosted import shows_process
    from marketprism_sdk.observability._log_export import LogExportLimits, export_logs
    from marketprism_sdk.observability._loop_watch import LoopWatch
    from marketprism_sdk.observability._metrics import MetricRow, Metrics, rss_bytes
    from marketprism_sdk.observability._tracing import Sampled, Sampler, continue_trace, sampled, trace_headers
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "marketprism_sdk.observability._export": ("check_endpoint", "export_traces", "record_traces"),
            "marketprism_sdk.observability._families": (
                "FRAMEWORK",
                "JOB_SECONDS",
                "ROWS",
                "SECONDS",
                "Family",
                "MetricKind",
                "MetricsSettings",
            ),
            "marketprism_sdk.observability._hosted": ("shows_process",),
            "marketprism_sdk.observability._log_export": ("LogExportLimits", "export_logs"),
            "marketprism_sdk.observability._loop_watch": ("LoopWatch",),
            "marketprism_sdk.observability._metrics": ("MetricRow", "Metrics", "rss_bytes"),
            "marketprism_sdk.observability._tracing": (
                "Sampled",
                "Sampler",
                "continue_trace",
                "sampled",
                "trace_headers",
            ),
        },
    )

__all__ = [
    "FRAMEWORK",
    "JOB_SECONDS",
    "ROWS",
    "SECONDS",
    "Family",
    "LogExportLimits",
    "LoopWatch",
    "MetricKind",
    "MetricRow",
    "Metrics",
    "MetricsSettings",
    "Sampled",
    "Sampler",
    "check_endpoint",
    "continue_trace",
    "export_logs",
    "export_traces",
    "record_traces",
    "rss_bytes",
    "sampled",
    "shows_process",
    "trace_headers",
]
