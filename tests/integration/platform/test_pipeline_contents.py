"""A pipeline remembers in NATS what kind of data it holds, and whose folder has the rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.source_positions import Positions
from marketprism_application.errors import DataDirError, SourceError
from marketprism_sdk.errors import RevisionConflict, StreamMissing
from marketprism_sdk.messaging import Registration
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.platform.data_contents import SIMULATED, claim_directory, claim_pipeline, read
from marketprism_services.platform.store_folder import claim_store, confirm_store, identity_of, until_registered
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


async def test_an_old_directory_of_simulated_data_goes_on_and_takes_no_other(
    connection: NatsConnection, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    await asyncio.to_thread((old / "chdb").mkdir, parents=True)
    await (await Positions.open(connection, 1)).save({"sim:7": 3})
    with pytest.raises(SourceError, match="expected simulated data"):
        await claim_pipeline(connection, settings_of("replay:/a.csv", old))
    assert not await asyncio.to_thread((old / "contents.json").exists)
    assert await NatsKeyValue.existing(connection, "pipeline_contents").entries() == []
    with pytest.raises(StreamMissing):
        await stream_info(connection, "KV_pipeline_contents")
    answer = await claim_pipeline(connection, settings_of("sim", old))
    await asyncio.to_thread(claim_directory, settings_of("sim", old), answer)
    assert await asyncio.to_thread(read, old) == {"engine": "chdb", "data": SIMULATED}


@pytest.mark.parametrize("name", ["ctp", "sopt", "okx", "binance"])
async def test_where_the_sources_of_before_do_not_tell_the_first_claim_decides(
    connection: NatsConnection, logs: list[MutableMapping[str, Any]], name: str
) -> None:
    await (await Positions.open(connection, 1)).save({name: 3})
    assert await claim_pipeline(connection, settings_of("sim")) == SIMULATED
    assert await claim_pipeline(connection, settings_of("sim")) == SIMULATED
    assert [(line["event"], line["data"]) for line in logs] == [("contents.assumed", SIMULATED)]
    with pytest.raises(SourceError, match="expected simulated data"):
        await claim_pipeline(connection, settings_of("replay:/a.csv"))


async def test_a_value_of_somebody_else_ends_nothing(connection: NatsConnection, tmp_path: Path) -> None:
    await claim_pipeline(connection, settings_of("sim"))
    await claim_store(connection, settings_of(folder=tmp_path))
    bucket = NatsKeyValue(connection, "pipeline_contents")
    for value in (b"\xff\xfe", b"", b"{}"):
        await bucket.put("data", value)
        await bucket.put("chdb_folder", value)
        await claim_store(connection, settings_of(folder=tmp_path))
        await claim_pipeline(connection, settings_of("sim"))
        with pytest.raises(SourceError, match="expected simulated data"):
            await claim_pipeline(connection, settings_of("replay:/a.csv"))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Settings, Settings]:
    """Of two storages."""
    return settings_of(folder=tmp_path / "one"), settings_of(folder=tmp_path / "two")


async def register(connection: NatsConnection, instance: str) -> None:
    registry = await NatsKeyValue.open(connection, "service_instances", ttl_s=60)
    await Registration(registry, "storage", instance, "0").update()


async def test_two_folders_of_chdb_are_refused_while_both_would_run(
    connection: NatsConnection, folders: tuple[Settings, Settings]
) -> None:
    one, two = folders
    await claim_store(connection, one)
    await claim_store(connection, one)
    # Nobody runs: the folder may have moved.
    await claim_store(connection, two)
    await register(connection, "storage-1")
    with pytest.raises(SettingsError, match=r"expected one folder of rows, was chdb with .*/one .* beside storage-1"):
        await claim_store(connection, one)
    await claim_store(connection, two)


async def test_of_two_storages_that_start_together_one_is_left(
    connection: NatsConnection, folders: tuple[Settings, Settings]
) -> None:
    await asyncio.gather(*(claim_store(connection, settings) for settings in folders))  # none is registered yet
    await asyncio.gather(*(register(connection, f"storage-{number}") for number in range(2)))
    done = await asyncio.gather(*(confirm_store(connection, settings) for settings in folders), return_exceptions=True)
    assert sum(each is None for each in done) == 1
    assert sum(isinstance(each, SettingsError) for each in done) == 1


async def test_a_claim_decided_before_the_other_was_registered_is_not_taken(
    connection: NatsConnection, folders: tuple[Settings, Settings]
) -> None:
    one, two = folders
    await claim_store(connection, one)
    bucket = NatsKeyValue.existing(connection, "pipeline_contents")
    looked = await bucket.get("chdb_folder")
    assert looked is not None
    await register(connection, "storage-1")
    await confirm_store(connection, one)
    with pytest.raises(RevisionConflict):
        await bucket.update("chdb_folder", b"two", looked.revision)
    with pytest.raises(SettingsError):
        await claim_store(connection, two)


async def test_a_folder_is_the_same_wherever_it_is_mounted(connection: NatsConnection, tmp_path: Path) -> None:
    volume, elsewhere = tmp_path / "volume", tmp_path / "elsewhere"
    await claim_store(connection, settings_of(folder=volume))
    await register(connection, "storage-draining")
    await asyncio.to_thread(elsewhere.symlink_to, volume)
    await claim_store(connection, settings_of(folder=elsewhere))
    await confirm_store(connection, settings_of(folder=volume))
    # What a storage of the version before wrote, on a host that is gone.
    await NatsKeyValue(connection, "pipeline_contents").put("chdb_folder", f"pod-7f:{volume}".encode())
    await claim_store(connection, settings_of(folder=volume))
    await NatsKeyValue(connection, "pipeline_contents").put("chdb_folder", b"pod-7f:/another")
    with pytest.raises(SettingsError, match="/another"):
        await claim_store(connection, settings_of(folder=volume))


async def test_an_instance_is_waited_for_until_it_is_registered(connection: NatsConnection) -> None:
    waiting = asyncio.create_task(until_registered(connection, "storage", "storage-1"))
    await register(connection, "storage-0")
    assert not waiting.done()
    await register(connection, "storage-1")
    await waiting
    await until_registered(connection, "storage", "storage-1")


def test_the_identity_of_a_folder_is_made_once_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(identity_of, [folder] * 32))
    assert len(found) == 1
    assert [path.name for path in folder.iterdir()] == ["folder_id"]
    (folder / "folder_id").write_bytes(b"\xff")
    with pytest.raises(DataDirError, match="folder_id: expected 32 hexadecimal digits"):
        identity_of(folder)
