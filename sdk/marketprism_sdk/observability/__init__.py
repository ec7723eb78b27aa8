"""Metrics, traces, logs, and a watch on the event loop."""

from marketprism_sdk.observability._loop_watch import LoopWatch
from marketprism_sdk.observability._metrics import Metrics, rss_bytes
from marketprism_sdk.observability._tracing import Sampled, Sampler, continue_trace, sampled, trace_headers

__all__ = [
    "LoopWatch",
    "Metrics",
    "Sampled",
    "Sampler",
    "continue_trace",
    "rss_bytes",
    "sampled",
    "trace_headers",
]
