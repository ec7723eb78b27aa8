"""A pipeline remembers in NATS what kind of data it holds, and whose folder has the rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.source_positions import Positions
from marketprism_application.errors import SourceError
from marketprism_sdk.messaging import Registration
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.platform.data_contents import claim_pipeline, claim_store
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import Settings


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[NatsConnection]:
    """A connection to a server of its own: what a pipeline remembers, it remembers for all of NATS."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0))
    opened = await NatsConnection.open(server.url, name="test")
    yield opened
    await opened.close()
    await server.stop()


def settings_of(spec: str = "none", folder: Path = Path("/data")) -> Settings:
    return Settings.model_validate({"data_dir": folder, "source": {"spec": spec}})


async def test_the_first_source_decides_and_the_other_kind_is_refused(connection: NatsConnection) -> None:
    await claim_pipeline(connection, settings_of("none"))
    await asyncio.gather(*(claim_pipeline(connection, settings_of("replay:/a.csv")) for _ in range(5)))
    await claim_pipeline(connection, settings_of("okx:BTC-USDT"))
    with pytest.raises(
        SourceError, match=r"source sim: expected real data, as the pipeline at .* holds, was simulated"
    ):
        await claim_pipeline(connection, settings_of("sim"))


async def test_a_pipeline_from_before_is_known_by_its_sources(connection: NatsConnection) -> None:
    positions = await Positions.open(connection, 1)
    await positions.save({"sim:7": 3})
    with pytest.raises(SourceError, match="expected simulated data"):
        await claim_pipeline(connection, settings_of("replay:/a.csv"))
    await claim_pipeline(connection, settings_of("sim"))
    await NatsKeyValue(connection, "pipeline_contents").delete("data")
    await positions.save({"ru1901_20181008.csv.gz": 3})
    with pytest.raises(SourceError, match="expected real data"):
        await claim_pipeline(connection, settings_of("sim"))


async def test_a_value_of_somebody_else_ends_nothing(connection: NatsConnection) -> None:
    await claim_pipeline(connection, settings_of("sim"))
    await claim_store(connection, settings_of())
    bucket = NatsKeyValue(connection, "pipeline_contents")
    for value in (b"\xff\xfe", b"", b"{}"):
        await bucket.put("data", value)
        await bucket.put("chdb_folder", value)
        await claim_store(connection, settings_of())
        await claim_pipeline(connection, settings_of("sim"))
        with pytest.raises(SourceError, match="expected simulated data"):
            await claim_pipeline(connection, settings_of("replay:/a.csv"))


async def test_two_folders_of_chdb_are_refused_while_both_would_run(connection: NatsConnection) -> None:
    await claim_store(connection, settings_of(folder=Path("/one")))
    await claim_store(connection, settings_of(folder=Path("/one")))
    # Nobody runs: the folder may have moved.
    await claim_store(connection, settings_of(folder=Path("/two")))
    registry = await NatsKeyValue.open(connection, "service_instances", ttl_s=60)
    await Registration(registry, "storage", "storage-1", "0").update(status="active")
    stop = await connection.subscribe("rpc.storage.>", lambda _: None)  # it is there, and busy
    try:
        with pytest.raises(SettingsError, match=r"expected one folder of rows, was chdb with .*:/one beside storage-1"):
            await claim_store(connection, settings_of(folder=Path("/one")))
        await claim_store(connection, settings_of(folder=Path("/two")))
    finally:
        await stop()
