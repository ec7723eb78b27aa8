"""What a backup is restored into: a store and a broker that hold nothing, of a data directory or elsewhere."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.nats.accounts import PLATFORM
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_copies import NatsStreamCopies
from marketprism_application.errors import TargetInUse
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.urls import Url
from marketprism_services.platform.data_contents import UNFINISHED
from marketprism_services.platform.local_servers import held_port
from marketprism_services.platform.nats_place import OPERATOR
from marketprism_services.platform.run_files import access_to
from marketprism_services.settings.sections import LOCAL_SERVER
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.store import engines_of

STORE, NATS, SETTINGS = "store", "nats", "settings"
PARTS = (STORE, NATS, SETTINGS)
_FOLDERS = {STORE: ("chdb", "clickhouse"), NATS: ("nats",), SETTINGS: ("restored-settings",)}
_NOTHING = frozenset({"lock"})  # what a directory may have and still hold nothing
_SHOWN = 5


def check_folder(data_dir: Path, parts: tuple[str, ...]) -> None:
    """Whether a data directory has room for parts of a backup: it is not there, or empty; of some parts alone, without
    their folders.

    Raises:
        TargetInUse: names what is there.
    """
    if data_dir.exists() and not data_dir.is_dir():
        raise TargetInUse(f"data directory {data_dir}: expected a folder, was something else")
    there = sorted(each.name for each in data_dir.iterdir()) if data_dir.is_dir() else []
    found = [name for name in there if name not in _NOTHING]
    if set(parts) != set(PARTS):
        folders = {name for part in parts for name in _FOLDERS[part]}
        found = [name for name in found if name in folders or name == UNFINISHED]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise TargetInUse(f"data directory {data_dir}: expected it to be empty, has {', '.join(found[:_SHOWN])}{more}")


async def check_elsewhere(settings: Settings, parts: tuple[str, ...]) -> None:
    """Whether a store and a broker that are no folders of the data directory hold nothing. Raises TargetInUse."""
    if STORE in parts and settings.store.engine == "clickhouse" and settings.store.url != LOCAL_SERVER:
        async with store_of(settings):
            pass
    if NATS in parts and settings.nats.url is not None:
        async with nats_of(settings, settings.data_dir):
            pass


def folders_of(data_dir: Path, parts: tuple[str, ...]) -> list[Path]:
    """The folders that a restore of parts makes."""
    return [data_dir / name for part in parts for name in _FOLDERS[part]]


class OpenTarget(NamedTuple):
    """A store that is being restored, and its rows."""

    engine: Engine
    rows: SqlRowCopies


@asynccontextmanager
async def store_of(settings: Settings) -> AsyncIterator[OpenTarget]:
    """The store of these settings, open: embedded, a server of the data directory's own, or another one.

    Raises:
        TargetInUse: it has rows. StoreError, LocalServerError: it cannot be opened.
    """
    async with AsyncExitStack() as stack:
        store = settings.store
        engine: Engine
        if store.engine == "clickhouse" and store.url == LOCAL_SERVER:
            from marketprism_adapters.clickhouse.local_server import (  # noqa: PLC0415 (loads aiohttp)
                LocalClickHouse,
                LocalOptions,
            )

            ports = held_port(stack), held_port(stack)
            server = await LocalClickHouse.start(LocalOptions(settings.data_dir / "clickhouse", *ports))
            stack.push_async_callback(server.stop)
            engine = await ClickHouseEngine.open(server.url)
        elif store.engine == "clickhouse":
            engine = await engines_of(settings).open()
        else:
            engine = await ChdbEngine.open(settings.data_dir / "chdb")
        stack.push_async_callback(engine.close)
        rows = SqlRowCopies(engine, store.engine)
        if found := [each for each in await rows.partitions() if each.rows]:
            first = found[-1]
            raise TargetInUse(f"store {store.engine}: expected no rows, {first.table} has {first.rows}")
        yield OpenTarget(engine, rows)


@asynccontextmanager
async def nats_of(settings: Settings, data_dir: Path) -> AsyncIterator[NatsConnection]:
    """The broker of these settings, or one that is started on the data directory, as `up` finds it there.

    Raises:
        TargetInUse: it has streams. EmbeddedServerError, SdkError: it does not run.
    """
    async with AsyncExitStack() as stack:
        if settings.nats.url is not None:
            access = await asyncio.to_thread(access_to, settings.nats.url, OPERATOR, settings, data_dir)
            connection = await NatsConnection.open(settings.nats.url, name="restore", access=access)
        else:
            connection = await own_nats(stack, data_dir, settings.nats.max_store_gb)
        stack.push_async_callback(connection.close)
        if found := await NatsStreamCopies(connection).names():
            names = ", ".join(found[:_SHOWN])
            raise TargetInUse(f"NATS at {connection.url}: expected no streams, has {names}")
        yield connection


async def own_nats(stack: AsyncExitStack, data_dir: Path, max_store_gb: float) -> NatsConnection:
    """A connection to a server on a folder, which lives until the stack is left; nobody else may enter it."""
    password = secrets.token_urlsafe(24)
    user = f'{{ user: "{NATS}-restore", password: "{password}" }}'
    accounts = f"accounts {{ {PLATFORM} {{ jetstream: enabled, users: [ {user} ] }} }}\n"
    options = EmbeddedOptions(data_dir, port=0, max_store_gb=max_store_gb, accounts=accounts)
    server = await EmbeddedServer.start(options)
    stack.push_async_callback(server.stop)
    url = Url(f"nats://{NATS}-restore:{password}@127.0.0.1:{server.port}")
    return await NatsConnection.open(url, name="restore")


__all__ = [
    "NATS",
    "PARTS",
    "SETTINGS",
    "STORE",
    "OpenTarget",
    "check_elsewhere",
    "check_folder",
    "folders_of",
    "nats_of",
    "own_nats",
    "store_of",
]
