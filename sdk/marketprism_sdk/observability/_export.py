"""Spans of this process sent to a collector, where one is named; recorded by nobody otherwise."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from marketprism_sdk.errors import InvalidSetting

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_FLUSH_MS = 2_000


def check_endpoint(endpoint: str) -> str:
    """The URL of a collector, where spans can be sent from here.

    Raises:
        InvalidSetting: it is no http(s) URL, or the extra `otlp` is not installed.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise InvalidSetting(f"expected http://host:4318 of an OTLP collector, was {endpoint!r}")
    if find_spec("opentelemetry.exporter") is None or find_spec("opentelemetry.exporter.otlp") is None:
        raise InvalidSetting("expected the exporter, pip install 'marketprism[otlp]', none is there")
    return endpoint


def export_traces(endpoint: str, service: str, instance: str = "") -> Callable[[], None]:
    """Send spans to the OTLP collector at `endpoint` (`http://host:4318`) from now on; the result sends what is left.

    Spans are sent in the background, in batches; what a collector that is away does not take is dropped after its own
    retries, and logged by the exporter. A process has one collector for its life.

    Raises:
        InvalidSetting: as `check_endpoint`.
    """
    check_endpoint(endpoint)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 (an extra, and heavy)
        OTLPSpanExporter,
    )

    return record_traces(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces"), service, instance)


def record_traces(
    exporter: SpanExporter, service: str, instance: str = "", *, batched: bool = True
) -> Callable[[], None]:
    """As `export_traces`, to any exporter of OpenTelemetry; `batched=False` hands over each span as it ends."""
    from opentelemetry import trace  # noqa: PLC0415 (heavy: only who traces)
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": f"marketprism-{service}", "service.instance.id": instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter) if batched else SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

    def close() -> None:
        provider.force_flush(_FLUSH_MS)
        provider.shutdown()

    return close
