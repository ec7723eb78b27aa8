"""Spans of this process sent to a collector, where one is named; recorded by nobody otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from socket import gethostname
from typing import TYPE_CHECKING, cast

from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.observability._hosted import hosted

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from marketprism_sdk.observability._metrics import Metrics

_FLUSH_MS = 2_000
_WAITING = 2_048  # spans that may wait for the collector; more push out the oldest


def check_endpoint(endpoint: str) -> str:
    """The URL of a collector, where spans and log lines can be sent from here.

    Raises:
        InvalidSetting: it is no http(s) URL, or the extra `otlp` is not installed.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise InvalidSetting(f"expected http://host:4318 of an OTLP collector, was {endpoint!r}")
    if find_spec("opentelemetry.exporter") is None or find_spec("opentelemetry.exporter.otlp") is None:
        raise InvalidSetting("expected the exporter, pip install 'marketprism[otlp]', none is there")
    return endpoint


def resource_of(service: str, instance: str, version: str) -> Resource:
    """What a collector is told of whom spans and log lines are from, with what `OTEL_RESOURCE_ATTRIBUTES` adds."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (heavy: only who exports)

    own = {"service.name": f"marketprism-{service}", "service.instance.id": instance, "host.name": gethostname()}
    return Resource.create(own | ({"service.version": version} if version else {}))


def export_traces(
    endpoint: str, service: str, instance: str = "", *, metrics: Metrics | None = None, version: str = ""
) -> Callable[[], None]:
    """Send spans to the OTLP collector at `endpoint` (`http://host:4318`) from now on; the result sends what is left.

    Spans are sent in the background, in batches; what a collector that is away does not take is dropped after its own
    retries, logged by the exporter and counted in `trace_spans_dropped_total`. A process has one collector all its
    life; of several services in one, each has its own spans.

    Raises:
        InvalidSetting: as `check_endpoint`.
    """
    check_endpoint(endpoint)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 (an extra, and heavy)
        OTLPSpanExporter,
    )

    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
    return record_traces(exporter, service, instance, metrics=metrics, version=version)


class _Counting:
    """An exporter, and a processor of spans, that count what went through them and what did not."""

    def __init__(self, exporter: SpanExporter, metrics: Metrics) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._waiting = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span that has begun is not counted: only one that has ended waits for the collector."""

    def _on_ending(self, span: Span) -> None:
        """A span that is about to end is not counted either; newer versions of OpenTelemetry ask."""

    def on_end(self, span: ReadableSpan) -> None:
        """One more waits for the collector; where the queue is full the oldest is pushed out."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        self._metrics.count("trace_spans_total")
        if self._waiting >= _WAITING:
            self._metrics.count("trace_spans_dropped_total", reason="queue_full")
        else:
            self._waiting += 1

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; one that the collector did not take is counted."""
        self._waiting = max(0, self._waiting - len(spans))
        taken = False
        try:
            result = self._exporter.export(spans)
            taken = result.name == "SUCCESS"
        finally:
            if not taken:
                self._metrics.count("trace_spans_dropped_total", len(spans), reason="not_taken")
        return result

    def shutdown(self) -> None:
        """End the exporter that it stands for."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what the exporter itself holds."""
        return self._exporter.force_flush(timeout_millis)


def record_traces(
    exporter: SpanExporter,
    service: str,
    instance: str = "",
    *,
    batched: bool = True,
    metrics: Metrics | None = None,
    version: str = "",
) -> Callable[[], None]:
    """As `export_traces`, to any exporter of OpenTelemetry; `batched=False` hands over each span as it ends."""
    from opentelemetry import trace  # noqa: PLC0415 (heavy: only who traces)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=resource_of(service, instance, version), shutdown_on_exit=False)
    if metrics is not None:
        metrics.count("trace_spans_total", 0)
        counting = _Counting(exporter, metrics)
        exporter = cast("SpanExporter", counting)
        provider.add_span_processor(cast("SpanProcessor", counting))
    batches = BatchSpanProcessor(exporter, max_queue_size=_WAITING) if batched else SimpleSpanProcessor(exporter)
    provider.add_span_processor(batches)
    if (here := hosted()) is not None:
        here.provider = provider
    else:
        trace.set_tracer_provider(provider)

    def close() -> None:
        provider.force_flush(_FLUSH_MS)
        provider.shutdown()

    return close
