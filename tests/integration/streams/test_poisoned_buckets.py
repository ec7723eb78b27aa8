"""No value in any bucket ends a service: not while it runs, and not when it starts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.nats.source_positions import Positions
from marketprism_adapters.nats.stream_ranges import KvProgress
from marketprism_client import MarketClient, QueryFailed, UnknownSymbol
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.values import REFUSED
from marketprism_services.monitor.overview import overview
from tests.support.pipeline import NAMES, Pipeline

pytestmark = [pytest.mark.timeout(240), pytest.mark.nats]


def packed(**values: Any) -> bytes:
    return msgspec.msgpack.encode(values)


GARBAGE = {
    "empty": b"",
    "noise": bytes(range(256)) * 4,
    "deep": b"\x91" * 200_000 + b"\xc0",
    "deep below a name that nobody knows": b"\x81\xa1x" + b"\x91" * 200_000 + b"\xc0",
    "promise": b"\xdd\xff\xff\xff\xff\x00",
    "nil": b"\xc0",
    "list": b"\x90",
    "text": b"\xa4\xff\xfe\xff\xfe",
    "json": b'{"holder": "x"}',
    "huge": b"\xc4" * 500_000,
    "types": packed(
        holder=1,
        epoch="x",
        state=[],
        service=None,
        source=7,
        position="far",
        watermark="x",
        created=0,
        stats=[1],
        connected="yes",
        instruments=[1],
        stale_s="x",
        version="x",
        beat=None,
    ),
    "far": packed(
        holder="nobody",
        epoch=2**64 - 1,
        state="held",
        service="storage",
        instance="x",
        version="",
        status="active",
        ts_started=2**64 - 1,
        ts_heartbeat=0,
        endpoints={"http": "http://[::1"},
        metadata={"load": "x", "lease_s": []},
        source="",
        position=-1,
        watermark=-1,
        created="x",
        connected=None,
        instruments=["\x00"],
        beat=-1,
    ),
}
KEYS = {
    "service_instances": ("storage.evil", "x"),
    "service_leaders": ("storage.default", "gateway.default", "x"),
    "commands_done": ("x",),
    streams.VALIDATOR_SHARDS: ("own.3", "own.x", "own", "sess.mallory"),
    streams.AGGREGATOR_SHARDS: ("own.4", "own.99999999999999999999", "sess.mallory"),
    streams.RULES: ("current", "x"),
    streams.GATEWAY_ORDERS: ("default", "x"),
    streams.SOURCE_POSITIONS: ("sim=3A7", "x", "state=2Edefault"),
    streams.LATEST_TICKS: ("tick.zz9.shfe",),
    streams.LATEST_BARS: ("bar.1m.zz9.shfe",),
    streams.QUALITY: ("x",),
    streams.STREAM_STATES: ("x",),
    streams.STORE_RANGES: (streams.TICKS, streams.BARS, streams.EVENTS, streams.DATA, "x"),
}


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=choose_port(0)))
    yield server.url
    await server.stop()


async def poison(connection: NatsConnection, *names: str, pause_s: float = 0.0) -> None:
    for bucket, keys in KEYS.items():
        for key in keys:
            for name in names:
                await publish_ack(connection, f"$KV.{bucket}.{key}", GARBAGE[name])
                await asyncio.sleep(pause_s)


@pytest.mark.long
async def test_services_run_on_whatever_lies_in_their_buckets_and_start_on_it(url: str, tmp_path: Path) -> None:
    connection = await NatsConnection.open(url, name="poison")
    pipeline = Pipeline(url, tmp_path / "data")
    await pipeline.start()
    async with MarketClient(url) as market:
        async with asyncio.timeout(60):
            while not await _bars_are_made(pipeline):
                await asyncio.sleep(0.1)
        await poison(connection, *GARBAGE, pause_s=0.01)
        await asyncio.sleep(3.0)  # everything is read again once
        assert pipeline.ended() == {}
        with contextlib.suppress(UnknownSymbol):  # once the store has something of others
            assert await market.latest_tick("zz9") is None
        with contextlib.suppress(UnknownSymbol):
            assert await market.latest_bars("zz9", "1m") == []
        seen = await overview(connection)
        assert {record.service for record in seen.instances} >= set(NAMES)
        assert any("shards_validator/own.x" in line for line in seen.problems), seen.problems
        refused = {name: service.metrics.total(REFUSED) for name, service in pipeline.services.items()}
        assert refused["query"] > 0
        assert refused["validator"] > 0
        assert await pipeline.stop() == [0] * len(NAMES)
        # What lies at each key when they start again, whatever they have put there meanwhile.
        await poison(connection, "far")
        again = Pipeline(url, tmp_path / "data")
        await again.start()
        async with asyncio.timeout(90):
            while not (await _bars_are_made(again) and await _stored(market)):
                assert again.ended() == {}
                await asyncio.sleep(0.2)
        assert await again.stop() == [0] * len(NAMES)
    await connection.close()


async def _bars_are_made(pipeline: Pipeline) -> bool:
    return pipeline.services["gateway"].metrics.total("ticks_received_total") > 50


async def _stored(market: MarketClient) -> bool:
    try:
        return any(row["ticks"] > 0 for row in (await market.symbols()).to_pylist())
    except (SdkError, QueryFailed):
        return False


@pytest.mark.parametrize("name", GARBAGE)
async def test_every_reader_takes_a_value_that_is_none_for_none(url: str, name: str) -> None:
    connection = await NatsConnection.open(url, name="poison")
    await streams.ensure_streams(connection)
    ranges = await NatsKeyValue.open(connection, streams.STORE_RANGES)
    positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
    for bucket in KEYS:
        await NatsKeyValue.open(connection, bucket)
    for bucket, keys in KEYS.items():
        for key in keys:
            await publish_ack(connection, f"$KV.{bucket}.{key}", GARBAGE[name])
    await publish_ack(connection, "market.raw.5", b"x")
    await publish_ack(connection, "market.packed.5", b"x")
    for stage in ("validator", "aggregator"):
        await publish_ack(connection, f"stage.{stage}.5.ck", GARBAGE[name])
    probe = await PipelineProbe(connection, positions, ranges).read()
    assert probe.behind["validator:5"] == 1
    assert (await Positions(positions).known()).get("x") is None
    progress = await KvProgress(ranges, streams.TICKS).load()
    # What is none is rebuilt, what is wrong is compared with the log.
    assert progress is None or progress.watermark <= 0
    seen = await overview(connection)
    assert set(seen.leaders) == {"storage.default", "gateway.default", "x"}
    await connection.close()
