"""Spans join: whoever goes on with a message's headers is a child of whoever sent it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.observability import (
    Sampler,
    continue_trace,
    export_traces,
    sampled,
    trace_headers,
)
from tests.support.spans import recorded_spans


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return recorded_spans()


def test_the_steps_of_a_sampled_message_are_one_line_of_spans(spans: InMemorySpanExporter) -> None:
    trace = Sampler(1).take()
    assert trace is not None
    for name in ("stage validator", "store"):
        received = sampled(trace.headers())
        assert received == trace
        trace = received.step(name, received.origin_ns, received.origin_ns + 1, holder="one")
    first, second, third = spans.get_finished_spans()
    assert [span.name for span in (first, second, third)] == ["gateway", "stage validator", "store"]
    assert first.parent is None
    for child, parent in ((second, first), (third, second)):
        assert child.parent is not None
        assert child.parent.span_id == parent.context.span_id
        assert child.context.trace_id == first.context.trace_id
    assert dict(third.attributes or {}) == {"holder": "one"}
    assert third.resource.attributes["service.name"] == "marketprism-test"


def test_a_call_made_while_a_message_is_worked_on_is_its_child(spans: InMemorySpanExporter) -> None:
    with continue_trace(trace_headers(), "rpc bars") as asked:
        headers = trace_headers()
    with continue_trace(headers, "rpc arrow") as answered:
        pass
    outer, inner = spans.get_finished_spans()
    assert (outer.name, inner.name) == ("rpc bars", "rpc arrow")
    assert answered.trace_id == asked.trace_id
    assert answered.correlation_id == asked.correlation_id
    assert inner.parent is not None
    assert f"{inner.parent.span_id:016x}" == asked.span_id == f"{outer.context.span_id:016x}"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": ""},
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"},
        {"traceparent": "00-zz-yy-01"},
        {"traceparent": "ff-" + "1" * 32 + "-" + "1" * 16 + "-01"},
    ],
)
def test_headers_that_name_no_span_begin_a_trace_of_their_own(
    headers: dict[str, str], spans: InMemorySpanExporter
) -> None:
    with continue_trace(headers) as trace:
        assert len(trace.trace_id) == 32
        assert int(trace.trace_id, 16)
        assert trace.correlation_id
    (span,) = spans.get_finished_spans()
    assert span.parent is None
    assert sampled(headers) is None


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"expected http://host:4318 .* was 'localhost:4318'"):
        export_traces("localhost:4318", "gateway")


def test_ids_travel_where_nobody_records_spans() -> None:
    code = (
        "from marketprism_sdk.observability import Sampler, continue_trace, sampled, trace_headers\n"
        "trace = Sampler(1).take()\n"
        "again = sampled(trace.headers())\n"
        "assert again == trace, (again, trace)\n"
        "step = again.step('store', 1, 2)\n"
        "assert step.trace_id == trace.trace_id and step.span_id != trace.span_id\n"
        "with continue_trace(trace_headers()) as one:\n"
        "    headers = trace_headers()\n"
        "assert headers['traceparent'] == f'00-{one.trace_id}-{one.span_id}-01', (headers, one)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
