"""A sampled message is one trace, from the gateway to the store, in a collector that is not ours; log lines arrive too."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.program import ENVIRONMENT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("e2e")]


class Span(NamedTuple):
    service: str
    name: str
    trace: str
    own: str
    parent: str


async def test_the_spans_of_a_tick_join_from_the_gateway_to_the_store_and_lines_are_those_of_the_files(
    tmp_path: Path,
) -> None:
    spans: list[Span] = []

    async def collect(request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await request.read())
        for resource in told.resource_spans:
            attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                spans.extend(
                    Span(attributes["service.name"], s.name, s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex())
                    for s in scope.spans
                )
        return web.Response(content_type="application/x-protobuf")

    lines: dict[str, list[str]] = defaultdict(list)

    async def collect_lines(request: web.Request) -> web.Response:
        asked = ExportLogsServiceRequest.FromString(await request.read())
        for resource in asked.resource_logs:
            attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
            assert attributes["service.instance.id"]
            assert attributes["service.version"]
            lines[attributes["service.name"]].extend(
                record.body.string_value for scope in resource.scope_logs for record in scope.log_records
            )
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/logs", collect_lines)
    app.router.add_post("/v1/traces", collect)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketprism_services",
        "up",
        "--once",
        "--json",
        "--source",
        "sim:days=1,rate=0.3,instruments=rb2505",
        "--nats-port",
        "0",
        "--data-dir",
        str(tmp_path),
        env={
            **ENVIRONMENT,
            "MARKETPRISM_TRACE__ENDPOINT": f"http://127.0.0.1:{port}",
            "MARKETPRISM_LOG__ENDPOINT": f"http://127.0.0.1:{port}",
            "MARKETPRISM_TRACE__EVERY": "20",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    await runner.cleanup()
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["ok"]
    by_id = {span.own: span for span in spans}
    ways: dict[tuple[str, ...], int] = defaultdict(int)
    for span in spans:
        if span.name != "store":
            continue
        way, at = [span.name], span
        while at.parent:
            assert at.parent in by_id, f"{at} has a parent that nobody sent"
            assert by_id[at.parent].trace == span.trace
            at = by_id[at.parent]
            way.append(at.name)
        ways[tuple(reversed(way))] += 1
    assert ways[("gateway", "stage validator", "store")] > 3, ways
    assert ways[("gateway", "stage validator", "stage aggregator", "store")] > 0, ways
    assert {span.service for span in spans} >= {f"marketprism-{name}" for name in ("gateway", "validator", "storage")}
    # Several services are in one process, and each has its own lines and spans.
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "logs").glob("*.log")]
    logged = [json.loads(line) for text in texts for line in text.splitlines() if line.startswith("{")]
    for service in ("aggregator", "gateway", "query", "storage", "validator"):
        written = [str(line["event"]) for line in logged if line.get("service") == service]
        shared = [str(line["event"]) for line in logged if service in line.get("service", "").split("+")]
        sent = lines[f"marketprism-{service}"]
        assert "service.started" in sent, service
        # What is written once the exporter has ended, and the connection to NATS with it, is in the file alone.
        # What a process says of itself, as that it was asked to stop, one of its services sends.
        assert Counter(sent) <= Counter(written) + Counter(shared), service
        assert len(sent) >= len(written) - 3, (service, Counter(written) - Counter(sent))
