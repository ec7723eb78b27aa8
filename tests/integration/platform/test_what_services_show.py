"""What every service shows to who watches it: metrics, status, streams and buckets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.audit_log import AUDIT
from marketprism_adapters.nats.backtest_store import TASKS
from marketprism_adapters.nats.data_tasks import DATA_TASKS
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.schedule_log import SCHEDULE
from marketprism_adapters.nats.shared_budget import VENUE_BUDGETS
from marketprism_sdk.errors import ConfigurationError
from marketprism_sdk.messaging import DEAD_LETTERS, JOBS, STREAM, Discovery
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_services.settings.metrics import METRICS
from tests.integration.platform.seen_by_prometheus import check_every_rule_and_panel
from tests.support.pipeline import NAMES, Pipeline
from tests.support.reference import ROOT
from tests.support.reference.subjects import BUCKETS

pytestmark = [pytest.mark.timeout(240), pytest.mark.nats]


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    yield server.url
    await server.stop()


@pytest.fixture
async def pipeline(url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    """It runs, and ends in order whatever the test finds."""
    running = Pipeline(url, tmp_path / "data")
    await running.start()
    yield running
    assert await running.stop() == [0] * len(NAMES)


async def _get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_every_service_explains_its_metrics_and_its_streams_are_those_that_are_written_down(
    url: str, pipeline: Pipeline, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as tasks:  # a pipeline is dear: both look at the same one
        tasks.create_task(check_every_rule_and_panel(pipeline, tmp_path / "prometheus"))
        await _check_what_is_shown(url, pipeline)


async def _check_what_is_shown(url: str, pipeline: Pipeline) -> None:
    async with asyncio.timeout(90):
        while not pipeline.services["storage"].metrics.total("rows_stored_total"):
            assert pipeline.ended() == {}
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
    declared = {METRICS.full_name(name): family for name, family in METRICS.by_name().items()}
    seen: set[str] = set()
    page = (ROOT / "docs/status.md").read_text(encoding="utf-8")
    fields = [
        (service, field)
        for services, field in re.findall(r"^\| ([a-z, ]+) \| `([a-z_]+)` \|", page, re.MULTILINE)
        for service in services.split(", ")
    ]
    for name, service in pipeline.services.items():
        status, text = await _get(service.http.port, "/metrics")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert status == 200
        assert len(families) > 8, name
        for family in families.values():
            own = f"{family.name}_total" if family.type == "counter" else family.name
            seen.add(own)
            if own.startswith(("process_", "python_")):  # as every Prometheus client names them
                continue
            assert own.startswith("marketprism_"), (name, own)
            assert own in declared, f"{name}: {own} stands in no list"
            assert family.documentation == declared[own].text
            assert family.type == declared[own].kind.value, own
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == set(declared[own].labels), sample
        info = families["marketprism_service_info"].samples
        assert [(sample.labels, sample.value) for sample in info] == [({"service": name}, 1.0)]
        status, text = await _get(service.http.port, "/status")
        shown: dict[str, Any] = json.loads(text)
        assert (status, shown["service"], shown["status"], shown["ready"]) == (200, name, "active", True)
        assert shown["instance"] == service.instance
        written = {field for services, field in fields if services in ("every", name)}
        if name not in ("query", "storage"):
            assert set(shown) == written, name
        else:
            assert set(shown) >= written, name
    assert len(seen) >= 111, sorted(seen)
    assert {
        "marketprism_ticks_received_total",
        "marketprism_rows_stored_total",
        "marketprism_stage_lag_messages",
    } <= seen

    connection = await NatsConnection.open(url, name="looks")
    there = set((await api(connection, "STREAM.NAMES"))["streams"])
    others = (STREAM, DEAD_LETTERS, JOBS, SCHEDULE, AUDIT, TASKS, DATA_TASKS)
    made = [bucket for bucket in BUCKETS if bucket.name != VENUE_BUDGETS]  # that by the first request to a venue
    assert there == {*streams.MARKET_STREAMS, *others, *(f"KV_{bucket.name}" for bucket in made)}
    for bucket in made:
        config: dict[str, Any] = (await stream_info(connection, f"KV_{bucket.name}"))["config"]
        assert config["max_age"] == int((bucket.ttl_s or 0) * 1e9), bucket.name
    discovery = Discovery(NatsKeyValue.existing(connection, "service_instances"))
    await discovery.refresh()
    ports = {record.service: record.endpoints["http"] for record in discovery.instances()}
    assert set(ports) == set(NAMES)
    targets: dict[str, str] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(15):  # the monitor looks every few seconds
            while targets != ports:
                status, text = await _get(pipeline.services["monitor"].http.port, "/sd")
                targets = {each["labels"]["service"]: f"http://{each['targets'][0]}" for each in json.loads(text)}
                await asyncio.sleep(0.2)
    assert targets == ports
    await connection.close()


async def test_a_second_instance_on_a_machine_takes_a_free_port_and_says_which(url: str, tmp_path: Path) -> None:
    """Of the usual port; one that was asked for is an error when it is taken."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        connection = await NatsConnection.open(url, name="two")

        asked = Service("asked", connection, settings=ServiceSettings(http_port=taken))
        with pytest.raises(
            ConfigurationError, match=rf"http of asked: expected a free port, 127.0.0.1:{taken}: .+ 0 takes"
        ):
            await asked.run(asyncio.Event())
        usual = Service("usual", connection, settings=ServiceSettings(http_port=taken, http_port_may_differ=True))
        stop = asyncio.Event()
        running = asyncio.create_task(usual.run(stop))
        while not usual.http.ready:
            assert not running.done()
            await asyncio.sleep(0.05)
        assert usual.http.port not in (0, taken)
        assert usual.registration is not None
        assert usual.registration.record.endpoints == {"http": f"http://127.0.0.1:{usual.http.port}"}
        assert (await _get(usual.http.port, "/health"))[0] == 200
        stop.set()
        assert await running == 0
        await connection.close()
