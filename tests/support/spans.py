"""Spans that this process records."""

from __future__ import annotations

from functools import cache

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from marketprism_sdk.observability import record_traces


@cache
def _recorded() -> InMemorySpanExporter:
    """A process has one collector for its life, so its tests share it."""
    exporter = InMemorySpanExporter()
    record_traces(exporter, "test", "one", batched=False)
    return exporter


def recorded_spans() -> InMemorySpanExporter:
    """What is recorded from now on."""
    exporter = _recorded()
    exporter.clear()
    return exporter
