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
    assert set(found) == {
        "shop_orders",
        "shop_queue_depth",
        "shop_packing_seconds",
        "shop_rpc_errors",
        "shop_service_info",
        "shop_process_cpu_seconds",
        "shop_process_resident_memory_bytes",
    }
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
