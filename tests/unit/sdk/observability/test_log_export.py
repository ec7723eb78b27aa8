"""Log lines reach an OTLP collector as records, in the official protobuf, and nobody who logs waits for it."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
import structlog
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.observability import (
    LogExportLimits,
    Metrics,
    continue_trace,
    export_logs,
    logs,
    trace_headers,
)

QUICK = LogExportLimits(gather_s=0.01, request_s=5, first_wait_s=0.02, longest_wait_s=0.05, end_s=5)


class Receiver:
    """A collector on loopback: what it was sent, and how it answers."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[ExportLogsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []  # of the next answers, then 200
        self.rejected = 0
        self.asked = 0
        self.open = threading.Event()
        self.open.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked += 1
                receiver.open.wait(30)
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                if status == 200 and self.path == "/v1/logs":
                    receiver.requests.append(ExportLogsServiceRequest.FromString(body))
                    receiver.headers.append(dict(self.headers))
                partial = ExportLogsPartialSuccess(rejected_log_records=receiver.rejected)
                answer = ExportLogsServiceResponse(partial_success=partial).SerializeToString()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def records(self) -> list[LogRecord]:
        return [
            record
            for request in list(self.requests)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def events(self) -> list[str]:
        return [record.body.string_value for record in self.records]

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def attributes(record: LogRecord) -> dict[str, object]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in record.attributes
    }


def until(check: Callable[[], object]) -> None:
    for _ in range(3_000):
        if check():
            return
        time.sleep(0.01)
    raise AssertionError("expected it within half a minute")


def read(metrics: Metrics) -> dict[str, float]:
    rows = [row for row in metrics.rows() if "log_records" in row.name]
    return {" ".join([row.name, *row.labels.values()]): row.value or 0.0 for row in rows}


@contextmanager
def logging_as(service: str) -> Iterator[StringIO]:
    with pytest.MonkeyPatch.context() as patch:
        stderr = StringIO()
        patch.setattr("sys.stderr", stderr)
        logs.configure(level="debug", form="json", service=service, instance="one")
        yield stderr
    structlog.reset_defaults()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def service() -> str:
    """A name that no other test has: the newest lines of this process are of all of them."""
    return f"service-{secrets.token_hex(4)}"


def test_a_line_is_a_record_with_its_severity_fields_and_resource(receiver: Receiver, service: str) -> None:
    with logging_as(service):
        close = export_logs(receiver.url, service, "one", version="9.9", limits=QUICK)
        log = structlog.get_logger()
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(log, level)(f"of.{level}")
        log.info("rows.stored", rows=7, share=0.5, full=True, none=None, table={"a": [1, "b"]}, big=2**70, odd="\ud800")
        close()
    records = {record.body.string_value: record for record in receiver.records}
    numbers = {event: record.severity_number for event, record in records.items() if event.startswith("of.")}
    assert numbers == {"of.debug": 5, "of.info": 9, "of.warning": 13, "of.error": 17, "of.critical": 21}
    assert records["of.warning"].severity_text == "warning"
    stored = records["rows.stored"]
    found = attributes(stored)
    assert (found["rows"], found["share"], found["full"], found["big"]) == (7, 0.5, True, str(2**70))
    assert found["odd"] == "\\ud800"
    (pair,) = next(each for each in stored.attributes if each.key == "table").value.kvlist_value.values
    assert (pair.key, [each.int_value or each.string_value for each in pair.value.array_value.values]) == (
        "a",
        [1, "b"],
    )
    assert set(found) == {"rows", "share", "full", "none", "table", "big", "odd"}
    assert abs(stored.time_unix_nano - time.time_ns()) < 60e9
    resource = {pair.key: pair.value.string_value for pair in receiver.requests[0].resource_logs[0].resource.attributes}
    assert resource["service.name"] == f"marketprism-{service}"
    assert (resource["service.instance.id"], resource["service.version"]) == ("one", "9.9")
    assert resource["host.name"]
    assert receiver.headers[0]["Content-Type"] == "application/x-protobuf"


def test_a_record_has_the_ids_of_the_span_in_which_it_was_written(receiver: Receiver, service: str) -> None:
    with logging_as(service):
        close = export_logs(receiver.url, service, limits=QUICK)
        with continue_trace(trace_headers()) as trace:
            structlog.get_logger().info("inside.it")
            structlog.get_logger().info("of.another", trace_id="ab" * 16)
        structlog.get_logger().info("outside.it", trace_id="no id")
        close()
    records = {record.body.string_value: record for record in receiver.records}
    inside = records["inside.it"]
    assert (inside.trace_id.hex(), inside.span_id.hex(), inside.flags) == (trace.trace_id, trace.span_id, 1)
    assert attributes(inside)["correlation_id"] == trace.correlation_id
    assert (records["of.another"].trace_id.hex(), records["of.another"].span_id) == ("ab" * 16, b"")
    assert (records["outside.it"].trace_id, records["outside.it"].span_id) == (b"", b"")


def test_no_record_has_a_secret(receiver: Receiver, service: str) -> None:
    with logging_as(service) as stderr:
        close = export_logs(receiver.url, service, limits=QUICK)
        log = structlog.get_logger()
        log.info("a.b", password="canary-1", inner={"api_key": "canary-2"}, url="nats://me:canary-3@host:4222")
        try:
            raise ValueError("http://me:canary-4@host/x?token=canary-5")
        except ValueError:
            log.exception("c.d")
        close()
    assert set(receiver.events) >= {"a.b", "c.d"}
    sent = b"".join(request.SerializeToString() for request in receiver.requests)
    assert b"canary" not in sent
    assert b"Traceback" in sent
    assert "canary" not in stderr.getvalue()


def test_what_waits_for_a_collector_that_is_away_is_sent_when_it_is_back_or_counted(service: str) -> None:
    receiver = Receiver()
    port = receiver.port
    receiver.close()
    metrics = Metrics(service)
    limits = QUICK._replace(most_lines=50)
    with logging_as(service) as stderr:
        close = export_logs(f"http://127.0.0.1:{port}", service, metrics=metrics, limits=limits)
        log = structlog.get_logger()
        log.info("the.first")
        until(lambda: "log.export_failing" in stderr.getvalue())  # which is once said, however often it is tried
        for number in range(900):
            log.info("a.line", number=number)
        assert read(metrics)["log_records_dropped_total queue_full"] > 300
        receiver = Receiver(port)
        until(lambda: "log.export_resumed" in stderr.getvalue())
        close()
        events = [json.loads(line)["event"] for line in stderr.getvalue().splitlines()]
        receiver.close()
    numbers = [attributes(each)["number"] for each in receiver.records if each.body.string_value == "a.line"]
    assert numbers[-1] == 899
    assert numbers == sorted(numbers)
    assert events.count("log.export_failing") == 1
    counts = read(metrics)
    assert counts["log_records_sent_total"] == len(receiver.records)
    assert counts["log_records_sent_total"] + sum(
        counts[f"log_records_dropped_total {reason}"] for reason in ("queue_full", "refused", "ended")
    ) == len(events)
    assert counts["log_records_waiting"] == 0


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_a_collector_does_not_take_now_is_sent_again(status: int, receiver: Receiver, service: str) -> None:
    receiver.statuses = [status, status]
    with logging_as(service):
        close = export_logs(receiver.url, service, limits=QUICK)
        structlog.get_logger().info("once.only")
        until(lambda: "once.only" in receiver.events)
        close()
    assert receiver.events.count("once.only") == 1
    assert receiver.asked >= 3


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_what_a_collector_will_never_take_is_counted_and_the_rest_goes_on(
    status: int, receiver: Receiver, service: str
) -> None:
    receiver.statuses = [status]
    metrics = Metrics(service)
    with logging_as(service) as stderr:
        close = export_logs(receiver.url, service, metrics=metrics, limits=QUICK)
        structlog.get_logger().info("the.first")
        until(lambda: "log.export_refused" in stderr.getvalue())
        structlog.get_logger().info("the.second")
        close()
    assert read(metrics)["log_records_dropped_total refused"] == 1
    assert receiver.events == ["log.export_refused", "the.second"]


def test_what_a_collector_takes_in_part_is_counted(receiver: Receiver, service: str) -> None:
    receiver.rejected = 1
    metrics = Metrics(service)
    with logging_as(service):
        close = export_logs(receiver.url, service, metrics=metrics, limits=QUICK._replace(gather_s=5))
        structlog.get_logger().info("the.first")
        structlog.get_logger().info("the.second")
        close()
    assert read(metrics)["log_records_dropped_total refused"] == 1
    assert read(metrics)["log_records_sent_total"] == 1


def test_nobody_who_logs_waits_for_a_collector_that_does_not_answer_and_the_end_is_bounded(
    receiver: Receiver, service: str
) -> None:
    receiver.open.clear()
    metrics = Metrics(service)
    with logging_as(service) as stderr:
        close = export_logs(receiver.url, service, metrics=metrics, limits=QUICK._replace(end_s=0.1))
        structlog.get_logger().info("the.first")
        until(lambda: receiver.asked)
        for _ in range(5_000):
            structlog.get_logger().info("a.line")
        assert receiver.requests == []  # it has answered nothing, and all of them are written
        assert stderr.getvalue().count("a.line") == 5_000
        close()
        assert receiver.requests == []
    counts = read(metrics)
    assert counts["log_records_dropped_total queue_full"] == 5_000 - QUICK.most_lines
    assert counts["log_records_dropped_total ended"] == QUICK.most_lines + 1


def test_lines_may_wait_up_to_a_size(receiver: Receiver, service: str) -> None:
    receiver.open.clear()
    metrics = Metrics(service)
    with logging_as(service):
        limits = QUICK._replace(most_bytes=100_000, gather_s=0.01)
        close = export_logs(receiver.url, service, metrics=metrics, limits=limits)
        structlog.get_logger().info("the.first")
        until(lambda: receiver.asked)
        for _ in range(100):
            structlog.get_logger().info("a.line", text="x" * 10_000)
        assert read(metrics)["log_records_dropped_total queue_full"] > 85
        structlog.get_logger().info("a.long_line", text="y" * 1_000_000)
        receiver.open.set()
        close()
    cut = next(record for record in receiver.records if record.body.string_value == "log.line_cut")
    assert attributes(cut)["length"] > 1_000_000  # type: ignore[operator]


def test_lines_from_before_the_export_are_sent_too_but_not_those_of_another_service(
    receiver: Receiver, service: str
) -> None:
    with logging_as("aggregator"):
        structlog.get_logger().info("of.another_service")
    with logging_as(service):
        structlog.get_logger().info("before.it", mark="early")
        close = export_logs(receiver.url, service, "one", limits=QUICK)
        close()
        structlog.get_logger().info("after.it")
    assert "before.it" in receiver.events
    assert not {"of.another_service", "after.it"} & set(receiver.events)


def test_a_user_in_the_url_goes_into_a_header_and_nowhere_else(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=desk%201")
    receiver.statuses = [503]
    with logging_as(service) as stderr:
        close = export_logs(f"http://me:can%20ary@127.0.0.1:{receiver.port}/", service, limits=QUICK)
        structlog.get_logger().info("the.first")
        until(lambda: "the.first" in receiver.events)
        close()
    headers = {name.lower(): value for name, value in receiver.headers[0].items()}
    assert headers["authorization"] == "Basic bWU6Y2FuIGFyeQ=="
    assert headers["x-tenant"] == "desk 1"
    assert "ary" not in stderr.getvalue().replace("boundary", "")


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"expected http://host:4318 .* was 'localhost:4318'"):
        export_logs("localhost:4318", "gateway")
