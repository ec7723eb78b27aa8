"""Streams say how they are written; who writes in another way does not start. What they may hold comes from settings."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.service_settings import layout_of
from marketprism_adapters.nats.stream_layout import StreamLayout, store_limit
from marketprism_sdk.errors import ConfigurationError, StreamMisconfigured
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, delete_stream, ensure_stream, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.platform.container import Container
from marketprism_services.platform.exits import Exit
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import Settings, load

SMALL_GB = 0.064


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    """A server with the smallest store that works."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0, max_store_gb=SMALL_GB))
    connection = await NatsConnection.open(server.url, name="test")
    yield connection
    await connection.close()
    await server.stop()


def settings_of(connection: NatsConnection, tmp_path: Path, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "nats": {"url": connection.url, "max_store_gb": SMALL_GB},
            "http": {"storage": 0, "query": 0, "monitor": 0},
            "source": {"spec": "sim:rate=1,days=1,instruments=rb2505"},
            **more,
        }
    )


async def test_the_streams_say_how_they_are_written(small: NatsConnection, tmp_path: Path) -> None:
    layout = settings_of(small, tmp_path).layout()
    await streams.ensure_streams(small, layout)
    for stream in streams.MARKET_STREAMS:
        config = (await stream_info(small, stream))["config"]
        of = {name: text for name, text in config["metadata"].items() if name.startswith("marketprism.")}
        assert of == {
            "marketprism.product": "marketprism",
            "marketprism.schema": "1",
            "marketprism.partitions": "32",
            "marketprism.hash": "fnv1a-32",
        }
        assert config["max_bytes"] >= 1 << 20
    assert await streams.partitions_of(small, 7) == 32


async def test_streams_from_before_there_was_an_identity_get_one(small: NatsConnection) -> None:
    assert await streams.partitions_of(small, 7) == 7
    old = {"name": "MARKET_RAW", "subjects": ["market.raw.>"], "storage": "file", "max_age": 86_400 * 10**9}
    await ensure_stream(small, old)
    assert await streams.partitions_of(small, 7) == 7
    await streams.ensure_streams(small, StreamLayout(store_bytes=int(SMALL_GB * 1e9)))
    assert await streams.partitions_of(small, 7) == 32
    config = (await stream_info(small, "MARKET_RAW"))["config"]
    assert (config["allow_direct"], config["allow_atomic"]) == (True, True)
    assert config["max_bytes"] == int(0.1 * 0.8 * SMALL_GB * 1e9)


@pytest.mark.parametrize("service", ["gateway", "validator", "aggregator", "storage"])
@pytest.mark.long_on("aggregator", "gateway")
async def test_a_service_with_another_number_of_partitions_does_not_start(
    small: NatsConnection, tmp_path: Path, service: str
) -> None:
    await streams.ensure_streams(small, settings_of(small, tmp_path).layout())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketprism_services",
        "run",
        service,
        "--nats-url",
        small.url,
        "--data-dir",
        str(tmp_path / "data"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "MARKETPRISM_STREAMS__PARTITIONS": "16",
            "MARKETPRISM_NATS__MAX_STORE_GB": str(SMALL_GB),
            "MARKETPRISM_SOURCE__SPEC": "sim",
        },
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert b"stream MARKET_TICKS: expected marketprism.partitions 16, was 32" in said
    assert process.returncode == Exit.USAGE  # which a supervisor does not start again


async def test_an_older_program_does_not_write_over_a_newer_one(small: NatsConnection, tmp_path: Path) -> None:
    settings = settings_of(small, tmp_path)
    await streams.ensure_streams(small, settings.layout())
    config = (await stream_info(small, "MARKET_TICKS"))["config"]
    later = {**config, "metadata": {**config["metadata"], "marketprism.schema": "2"}}
    await api(small, "STREAM.UPDATE.MARKET_TICKS", later)
    service = Container(settings=settings, connection=small).service("validator")
    with pytest.raises(ConfigurationError, match=r"MARKET_TICKS: expected at most schema version 1, was 2.*newer"):
        await service.run(asyncio.Event())
    assert (await stream_info(small, "MARKET_TICKS"))["config"]["metadata"]["marketprism.schema"] == "2"


async def test_a_full_stream_throws_out_its_own_and_stops_nothing_else(small: NatsConnection, tmp_path: Path) -> None:
    await streams.ensure_streams(small, settings_of(small, tmp_path).layout())
    bucket = await NatsKeyValue.open(small, "service_leaders")
    for stream, subject in {"MARKET_TICKS": "market.tick.x", "MARKET_RAW": "market.raw.0"}.items():
        bound = (await stream_info(small, stream))["config"]["max_bytes"]
        size = 1 << 20
        for _ in range(bound // size + 8):
            await publish_ack(small, subject, b"x" * size)
        state = (await stream_info(small, stream))["state"]
        assert state["first_seq"] > 1
        assert state["bytes"] <= bound
        await bucket.put("gateway.default", stream.encode())
    entry = await bucket.get("gateway.default")
    assert entry is not None
    assert entry.value == b"MARKET_RAW"


async def test_a_server_with_less_room_than_the_settings_say_gets_shares_of_what_it_has(small: NatsConnection) -> None:
    await asyncio.gather(*(streams.ensure_streams(small, StreamLayout(store_bytes=80_000_000)) for _ in range(3)))
    bounds = {name: (await stream_info(small, name))["config"]["max_bytes"] for name in streams.MARKET_STREAMS}
    assert sum(bounds.values()) < SMALL_GB * 1e9
    assert bounds["MARKET_TICKS"] / bounds["MARKET_RAW"] == pytest.approx(6, rel=0.1)
    assert [name for name in (await api(small, "STREAM.NAMES"))["streams"] if "ROOM" in name] == []
    await streams.ensure_streams(small, StreamLayout(store_bytes=80_000_000))
    again = {name: (await stream_info(small, name))["config"]["max_bytes"] for name in streams.MARKET_STREAMS}
    assert again == bounds


async def test_a_bucket_is_made_while_somebody_tries_how_much_room_there_is(small: NatsConnection) -> None:
    all_there_is = {"storage": "file", "max_bytes": int(SMALL_GB * 1e9)}
    await ensure_stream(small, {"name": "TRIAL", "subjects": ["trial"], **all_there_is})
    with pytest.raises(StreamMisconfigured, match="insufficient storage resources"):
        await ensure_stream(small, {"name": "BOUND", "subjects": ["bound"], **all_there_is})
    opening = asyncio.create_task(NatsKeyValue.open(small, "service_leaders"))
    await asyncio.sleep(0.5)
    assert not opening.done()  # refused so far, as a bucket of one who starts at the same moment would be
    await delete_stream(small, "TRIAL")
    async with asyncio.timeout(10):
        bucket = await opening
    assert await bucket.put("gateway.default", b"x") == 1


@pytest.mark.long
async def test_a_server_without_room_is_refused_with_what_to_set(tmp_path: Path) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0, max_store_gb=0.02))
    connection = await NatsConnection.open(server.url, name="test")
    with pytest.raises(
        ConfigurationError, match=r"JetStream's limit: expected room for at least 64 MB .*max_file_store"
    ):
        await streams.ensure_streams(connection)
    await connection.close()
    await server.stop()


def test_settings_below_the_minimum_name_it() -> None:
    with pytest.raises(SettingsError, match=r"nats.max_store_gb: expected 0.064 to 100000, was 0.01"):
        load(overrides={"nats": {"max_store_gb": 0.01}})
    with pytest.raises(SettingsError, match=r"expected shares of at most 1 together, was 1.3"):
        load(overrides={"streams": {"ticks": {"age_s": 60, "share": 0.9}}})
    with pytest.raises(ConfigurationError, match=r"JetStream's limit: expected at least 64 MB .*, was 10 MB"):
        StreamLayout().max_bytes("MARKET_RAW", 10_000_000)


def test_the_limit_is_the_accounts_where_it_has_one() -> None:
    layout = StreamLayout(replicas=3, store_bytes=7)
    assert store_limit({"limits": {"max_storage": -1}}, layout) == 7
    assert store_limit({"limits": {"max_storage": 900}}, layout) == 300
    assert store_limit({"limits": {}, "tiers": {"R3": {"limits": {"max_storage": 900}}}}, layout) == 900


async def test_a_profile_of_tiny_limits(small: NatsConnection, tmp_path: Path) -> None:
    tiny = {"age_s": 60, "share": 0.1, "max_mb": 2}
    names = ("raw", "ticks", "bars", "events", "data", "history")
    settings = settings_of(small, tmp_path, streams={"duplicate_window_s": 5, **dict.fromkeys(names, tiny)})
    service = Container(settings=settings, connection=small).service("gateway")
    await streams.ensure_streams(small, layout_of(service.settings))
    for stream in streams.MARKET_STREAMS:
        config = (await stream_info(small, stream))["config"]
        assert (config["max_age"], config["max_bytes"]) == (60 * 10**9, 2_000_000)
        assert config["duplicate_window"] == 5 * 10**9
    await streams.ensure_streams(small, settings_of(small, tmp_path).layout())  # longer: taken
    assert (await stream_info(small, "MARKET_RAW"))["config"]["max_age"] == 86_400 * 10**9
    await streams.ensure_streams(small, settings.layout())  # shorter: not
    assert (await stream_info(small, "MARKET_RAW"))["config"]["max_age"] == 86_400 * 10**9
    lower = settings_of(small, tmp_path, streams={"lower": True, **dict.fromkeys(names, tiny)})
    await streams.ensure_streams(small, lower.layout())
    assert (await stream_info(small, "MARKET_RAW"))["config"]["max_age"] == 60 * 10**9
