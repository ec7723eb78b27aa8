"""Metrics by OpenTelemetry, read by Prometheus.

Counting is an integer addition; OpenTelemetry reads the sums when it is scraped. Each `Metrics` has a registry of its
own, so nothing is shared between services of one process or between tests.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters, gauges and histograms by name, made at first use."""

    def __init__(self, service: str) -> None:
        reader = PrometheusMetricReader()
        # The reader registers itself globally; it is moved to a registry of our own.
        self._registry = CollectorRegistry()
        collector: Collector = reader._collector
        REGISTRY.unregister(collector)
        self._registry.register(collector)
        self._provider = MeterProvider(
            [reader], resource=Resource.create({"service.name": service}), shutdown_on_exit=False
        )
        self._meter = self._provider.get_meter("marketprism")
        self._sums: dict[str, dict[Labels, float]] = {}
        self._gauges: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, Any] = {}
        self._process_metrics()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        sums = self._sums.get(name)
        if sums is None:
            sums = self._sums[name] = {}
            self._meter.create_observable_counter(name.removesuffix("_total"), [_reader_of(sums)])
        key = tuple(labels.items())
        sums[key] = sums.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge to a value, for these labels."""
        values = self._gauges.get(name)
        if values is None:
            values = self._gauges[name] = {}
            self._meter.create_observable_gauge(name, [_reader_of(values)])
        values[tuple(labels.items())] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a value to a histogram (seconds, rows)."""
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = self._meter.create_histogram(name)
        histogram.record(value, labels)

    def watch(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """A gauge that is read when it is scraped."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(read(), labels)]

        self._meter.create_observable_gauge(name, [observe])

    def total(self, name: str) -> float:
        """Sum of a counter over its labels."""
        return sum(self._sums.get(name, {}).values())

    def text(self) -> bytes:
        """All metrics in Prometheus' exposition format."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Stop; the last values stay readable."""
        self._provider.shutdown()

    def _process_metrics(self) -> None:
        self.watch("process_resident_memory_bytes", rss_bytes)
        self.watch("process_cpu_seconds", time.process_time)


def rss_bytes() -> float:
    """Resident memory of this process."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 (no object per scrape)
            return float(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(peak if sys.platform == "darwin" else peak * 1024)


def _reader_of(values: dict[Labels, float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, dict(labels)) for labels, value in list(values.items())]

    return observe
