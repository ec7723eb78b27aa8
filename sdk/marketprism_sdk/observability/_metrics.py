"""Metrics by OpenTelemetry, read by Prometheus.

Counting is an addition; OpenTelemetry reads the sums when it is scraped, histograms are read as they are. Each
`Metrics` has a registry of its own, so nothing is shared between services of one process or between tests. Names in the
code have no namespace; what is scraped has it before each (`_families.py`).
"""

from __future__ import annotations

import resource
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from itertools import accumulate
from math import isfinite

import msgspec
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import REGISTRY, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from marketprism_sdk.observability._families import Family, MetricKind, MetricsSettings
from marketprism_sdk.observability._hosted import shows_process

Labels = tuple[tuple[str, str], ...]


class MetricRow(msgspec.Struct, frozen=True):
    """One value: a sample of Prometheus, with the text of its family. `value` None: it is no number."""

    name: str
    labels: dict[str, str]
    value: float | None
    kind: str
    help: str


class _Plain(Collector):
    """What OpenTelemetry collects, without the labels that say only that it was OpenTelemetry."""

    def __init__(self, inner: Collector) -> None:
        self._inner = inner

    def collect(self) -> Iterator[Metric]:
        """Every family as Prometheus is to read it."""
        for family in self._inner.collect():
            family.samples = [
                sample._replace(labels={k: v for k, v in sample.labels.items() if not k.startswith("otel_scope_")})
                for sample in family.samples
            ]
            yield family


class _Histogram:
    """Values of one family, counted by labels and bucket. A value is counted a hundred thousand times for each time
    that it is read, so adding is what must cost little."""

    def __init__(self, name: str, family: Family) -> None:
        self._name = name
        self._text = family.text
        self._labels = list(family.labels)  # and those that are counted although the family does not have them
        self._bounds = [*map(float, family.buckets)]
        self.counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, value: float, labels: Labels) -> None:
        """Count one value more for its labels."""
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = [0] * (len(self._bounds) + 1)
            self._sums[labels] = 0.0
            self._labels += [label for label, _ in labels if label not in self._labels]
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def read(self) -> Metric:
        """The family as Prometheus reads it: buckets that hold those below them, count and sum."""
        found = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        ends = [*(f"{bound}" for bound in self._bounds), "+Inf"]
        for labels, counts in list(self.counts.items()):
            values = dict(labels)
            in_order = [values.get(name, "") for name in self._labels]
            found.add_metric(in_order, list(zip(ends, accumulate(counts), strict=True)), self._sums[labels])
        return found


class _Histograms(Collector):
    """The histograms of one service."""

    def __init__(self) -> None:
        self.families: dict[str, _Histogram] = {}

    def collect(self) -> Iterator[Metric]:
        """Every family as Prometheus is to read it."""
        for family in list(self.families.values()):
            yield family.read()


class Metrics:
    """Counters, gauges and histograms by name, made at first use.

    A name that no family of the settings has is counted all the same, and its name is its text. A family has at most
    its `most_series`: what comes with other labels still is counted together, each label being `other`, and in
    `metric_series_refused_total`; of a gauge it is left out.
    """

    def __init__(self, service: str, settings: MetricsSettings | None = None) -> None:
        self._settings = settings or MetricsSettings()
        self._families = self._settings.by_name()
        reader = PrometheusMetricReader(disable_target_info=True)
        # The reader registers itself globally; it is moved to a registry of our own.
        self._registry = CollectorRegistry()
        collector: Collector = reader._collector
        REGISTRY.unregister(collector)
        self._registry.register(_Plain(collector))
        self._provider = MeterProvider(
            [reader], resource=Resource.create({"service.name": service}), shutdown_on_exit=False
        )
        self._meter = self._provider.get_meter("marketprism")
        self._sums: dict[str, dict[Labels, float]] = {}
        self._gauges: dict[str, dict[Labels, float]] = {}
        self._histograms = _Histograms()
        self._registry.register(self._histograms)
        self.gauge("service_info", 1, service=service)
        if shows_process():  # else another service of this process does: a sum would count its memory twice
            self._process_metrics()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        sums = self._sums.get(name)
        if sums is None:
            sums = self._sums[name] = {}
            self._read(self._family(name, MetricKind.COUNTER), _reader_of(sums))
        key = tuple(labels.items())
        if key not in sums and not self._has_room(name, MetricKind.COUNTER, sums):
            key = _others(key)
        sums[key] = sums.get(key, 0) + amount

    def begin(self, *names: str) -> None:
        """Let counters without labels be read from now on, at 0: who watches a rise sees the first one too."""
        for name in names:
            self.count(name, 0)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge to a value, for these labels."""
        values = self._gauges.get(name)
        if values is None:
            values = self._gauges[name] = {}
            self._read(self._family(name, MetricKind.GAUGE), _reader_of(values))
        key = tuple(labels.items())
        if key in values or self._has_room(name, MetricKind.GAUGE, values):
            values[key] = value

    def gauges(self, name: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]) -> None:
        """Set a gauge for these values of its labels, and for no others."""
        self.forget(name)
        for of, value in values.items():
            self.gauge(name, value, **dict(zip(labels, of, strict=True)))

    def forget(self, name: str, **labels: str) -> None:
        """Take a gauge out for these labels, for all where none are given: what it was of is gone."""
        values = self._gauges.get(name, {})
        if labels:
            values.pop(tuple(labels.items()), None)
        else:
            values.clear()

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a value to a histogram (seconds, rows)."""
        histogram = self._histograms.families.get(name)
        if histogram is None:
            family = self._family(name, MetricKind.HISTOGRAM)
            histogram = _Histogram(self._settings.full_name(name), family)
            self._histograms.families[name] = histogram
        key = tuple(labels.items())
        if key not in histogram.counts and not self._has_room(name, MetricKind.HISTOGRAM, histogram.counts):
            key = _others(key)
        histogram.add(value, key)

    def watch(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """A gauge, or a counter where the name ends with `_total`, that is read when it is scraped."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(read(), labels)]

        kind = MetricKind.COUNTER if name.endswith("_total") else MetricKind.GAUGE
        self._read(self._family(name, kind), observe)

    def watch_each(self, name: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """As `watch`, with a value for each value of one label."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, {label: each}) for each, value in read().items()]

        kind = MetricKind.COUNTER if name.endswith("_total") else MetricKind.GAUGE
        self._read(self._family(name, kind), observe)

    def total(self, name: str) -> float:
        """Sum of a counter over its labels."""
        return sum(self._sums.get(name, {}).values())

    def text(self) -> bytes:
        """All metrics in Prometheus' exposition format."""
        return generate_latest(self._registry)

    def rows(self) -> list[MetricRow]:
        """The same, a row a sample; of histograms the count and the sum, not the buckets."""
        return [
            MetricRow(
                sample.name,
                dict(sample.labels),
                float(sample.value) if isfinite(sample.value) else None,
                family.type,
                family.documentation,
            )
            for family in self._registry.collect()
            for sample in family.samples
            if not (family.type == MetricKind.HISTOGRAM.value and sample.name.endswith("_bucket"))
        ]

    def close(self) -> None:
        """Stop; the last values stay readable."""
        self._provider.shutdown()

    def _family(self, name: str, kind: MetricKind) -> Family:
        return self._families.get(name) or Family(name, kind, name.replace("_", " ").strip().capitalize() + ".")

    def _has_room(self, name: str, kind: MetricKind, held: Sized) -> bool:
        if len(held) < self._family(name, kind).most_series:
            return True
        self.count("metric_series_refused_total", metric=name)
        return False

    def _read(self, family: Family, read: Callable[[CallbackOptions], Iterable[Observation]]) -> None:
        name = self._settings.full_name(family.name)
        if family.kind is MetricKind.COUNTER:  # whose `_total` the exporter adds
            self._meter.create_observable_counter(name.removesuffix("_total"), [read], description=family.text)
        else:
            self._meter.create_observable_gauge(name, [read], description=family.text)

    def _process_metrics(self) -> None:
        """Of the process and its interpreter, by the names that every Prometheus client has: no namespace."""
        PlatformCollector(self._registry)
        GCCollector(self._registry)
        if not list(ProcessCollector(registry=self._registry).collect()):  # there is no /proc
            self._registry.register(_Process())


class _Process(Collector):
    """What can be known of the process where there is no /proc."""

    def collect(self) -> Iterator[Metric]:
        """As `ProcessCollector` names them."""
        yield CounterMetricFamily(
            "process_cpu_seconds", "Total user and system CPU time in seconds.", time.process_time()
        )
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory size in bytes.", rss_bytes())


def _others(labels: Labels) -> Labels:
    return tuple((name, "other") for name, _ in labels)


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
