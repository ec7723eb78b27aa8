"""Metrics: names with a namespace, texts, kinds, and what a service of one's own adds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.observability import Family, MetricKind, Metrics, MetricsSettings
from marketprism_sdk.observability._export import _WAITING, _Counting

SHOP = MetricsSettings(
    "shop",
    (
        Family("orders_total", MetricKind.COUNTER, "Orders that came in.", ("country",)),
        Family("queue_depth", MetricKind.GAUGE, "Orders that wait."),
        Family("packing_seconds", MetricKind.HISTOGRAM, "How long packing took.", (), (0.5, 2.0)),
    ),
)


def read(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}


def test_a_service_of_ones_own_has_its_own_namespace_and_texts() -> None:
    metrics = Metrics("till", SHOP)
    metrics.count("orders_total", 3, country="cn")
    metrics.watch("queue_depth", lambda: 7.0)
    metrics.observe("packing_seconds", 1.0)
    metrics.count("rpc_errors_total", method="x", code="INTERNAL")
    found = read(metrics)
    assert {name for name in found if name.startswith("shop_")} == {
        "shop_orders",
        "shop_queue_depth",
        "shop_packing_seconds",
        "shop_rpc_errors",
        "shop_service_info",
    }
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "python_info"} <= set(found)
    assert all(family.documentation for family in found.values())
    assert found["shop_orders"].documentation == "Orders that came in."
    assert [(s.name, s.labels, s.value) for s in found["shop_orders"].samples] == [
        ("shop_orders_total", {"country": "cn"}, 3.0)
    ]
    assert [s.labels["le"] for s in found["shop_packing_seconds"].samples if "le" in s.labels] == ["0.5", "2.0", "+Inf"]
    assert metrics.total("orders_total") == 3


def test_without_a_namespace_names_are_plain_and_one_that_is_not_declared_has_its_name_for_a_text() -> None:
    metrics = Metrics("till")
    metrics.count("parcels_lost_total")
    found = read(metrics)
    assert found["parcels_lost"].documentation == "Parcels lost total."
    assert found["process_cpu_seconds"].type == "counter"


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("orders", MetricKind.COUNTER, "x"),
        ("orders_total", MetricKind.GAUGE, "x"),
        ("Orders_total", MetricKind.COUNTER, "x"),
        ("", MetricKind.GAUGE, "x"),
        ("orders", MetricKind.GAUGE, " "),
    ],
)
def test_a_family_that_prometheus_would_not_read_is_refused(name: str, kind: MetricKind, text: str) -> None:
    with pytest.raises(InvalidSetting, match=f"metric.*{name}"):
        Family(name, kind, text)


def test_a_namespace_and_names_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"metrics.namespace: .* was 'a-b'"):
        MetricsSettings("a-b")
    with pytest.raises(InvalidSetting, match=r"metrics.families: expected each name once, was leader"):
        MetricsSettings("shop", (Family("leader", MetricKind.GAUGE, "x"),))


class Collector(SpanExporter):
    """A collector that takes batches, or refuses them, or breaks."""

    def __init__(self) -> None:
        self.answers: list[SpanExportResult | Exception] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        answer = self.answers.pop(0) if self.answers else SpanExportResult.SUCCESS
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_spans_that_the_collector_does_not_get_are_counted_by_reason() -> None:
    metrics, collector = Metrics("gateway"), Collector()
    counting = _Counting(collector, metrics)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("x")
    spans: list[ReadableSpan] = []
    for n in range(_WAITING + 3):
        span = tracer.start_span(str(n))
        span.end()
        assert isinstance(span, ReadableSpan)
        counting.on_end(span)
        spans.append(span)

    def dropped() -> dict[str, float]:
        family = read(metrics).get("trace_spans_dropped")
        return {s.labels["reason"]: s.value for s in family.samples} if family else {}

    assert dropped() == {"queue_full": 3.0}
    collector.answers = [SpanExportResult.SUCCESS, SpanExportResult.FAILURE, OSError("away")]
    counting.export(spans[:500])
    assert dropped() == {"queue_full": 3.0}
    counting.export(spans[500:1000])
    with pytest.raises(OSError, match="away"):
        counting.export(spans[1000:1200])
    assert dropped() == {"queue_full": 3.0, "not_taken": 700.0}
    assert metrics.total("trace_spans_total") == _WAITING + 3
    counting.on_end(spans[0])
    assert dropped()["queue_full"] == 3.0, "there is room again"


def test_labels_beyond_those_that_a_family_may_have_are_counted_together() -> None:
    few = MetricsSettings(
        "shop",
        (
            Family("orders_total", MetricKind.COUNTER, "Orders.", ("country",), most_series=2),
            Family("depth", MetricKind.GAUGE, "Depth.", ("queue",), most_series=2),
            Family("packing_seconds", MetricKind.HISTOGRAM, "Packing.", ("hall",), (1.0,), most_series=2),
        ),
    )
    metrics = Metrics("till", few)
    for name in ("a", "b", "c", "d", "a"):
        metrics.count("orders_total", country=name)
        metrics.gauge("depth", 1, queue=name)
        metrics.observe("packing_seconds", 0.5, hall=name)
    found = read(metrics)
    assert {s.labels["country"]: s.value for s in found["shop_orders"].samples} == {"a": 2, "b": 1, "other": 2}
    assert {s.labels["queue"] for s in found["shop_depth"].samples} == {"a", "b"}
    counts = {s.labels["hall"]: s.value for s in found["shop_packing_seconds"].samples if s.name.endswith("_count")}
    assert counts == {"a": 2, "b": 1, "other": 2}
    refused = found["shop_metric_series_refused"].samples
    assert {s.labels["metric"]: s.value for s in refused} == {"orders_total": 2, "depth": 2, "packing_seconds": 2}
    metrics.forget("depth", queue="a")
    metrics.gauge("depth", 1, queue="z")
    assert {s.labels["queue"] for s in read(metrics)["shop_depth"].samples} == {"b", "z"}


def test_a_reading_may_have_a_value_for_each_value_of_a_label() -> None:
    metrics = Metrics("till")
    levels = {"info": 3}
    metrics.watch_each("log_lines_total", "level", lambda: levels)
    levels["error"] = 1
    assert {s.labels["level"]: s.value for s in read(metrics)["log_lines"].samples} == {"info": 3, "error": 1}
