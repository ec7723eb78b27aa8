"""Which engine keeps the records, by the settings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from marketprism_adapters.clickhouse.archive.hot import patience
from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.server_url import is_native
from marketprism_adapters.clickhouse.sql.arrow import load_arrow
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_sdk.client_tls import ClientTls
from marketprism_sdk.lazy import loaded
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.packages import check_packages

_NATIVE = "marketprism_adapters.clickhouse.native"


class EngineSource(Protocol):
    """Opens an engine. `shared` says whether several processes may have it open at once."""

    shared: bool

    async def preload(self) -> None:
        """Whatever takes long and can be done before there is a lease."""
        ...

    async def open(self) -> Engine:
        """Open it. Raises StoreError, retryable while it is not free or away."""
        ...


class EmbeddedEngines:
    """chDB in this process; its directory belongs to one process at a time."""

    shared = False

    def __init__(self, path: Path) -> None:
        self._path = path

    async def preload(self) -> None:
        """Load the chDB library before it is needed."""
        await ChdbEngine.preload()

    async def open(self) -> Engine:
        """The open engine. Raises StoreError."""
        return await ChdbEngine.open(self._path)


class ServerEngines:
    """A ClickHouse server; whoever has its URL may ask it, by the protocol that the URL names.

    `settings` go with every statement.
    """

    shared = True

    def __init__(self, url: str, settings: dict[str, str] | None = None, tls: ClientTls | None = None) -> None:
        self._url = url
        self._tls = tls
        self._settings = settings or {}

    async def preload(self) -> None:
        """Load Arrow, and the library of the native protocol where the URL asks for it."""
        await asyncio.to_thread(load_arrow)
        if is_native(self._url):
            await loaded(_NATIVE)
            from marketprism_adapters.clickhouse.native import NativeEngine  # noqa: PLC0415 (loads pyarrow)

            await NativeEngine.preload()

    async def open(self) -> Engine:
        """The open engine. Raises StoreError."""
        if is_native(self._url):
            await loaded(_NATIVE)
            from marketprism_adapters.clickhouse.native import NativeEngine  # noqa: PLC0415 (loads pyarrow)

            return await NativeEngine.open(self._url, settings=self._settings, tls=self._tls)
        return await ClickHouseEngine.open(self._url, settings=self._settings, tls=self._tls)


def engines_of(settings: Settings) -> EngineSource:
    """The engine that the writer opens: the server of `store.url`, or the embedded directory. Raises SettingsError."""
    store = settings.store
    check_packages(settings)
    if store.engine == "clickhouse":
        return ServerEngines(store.url, {**store.write_settings, **_patience(settings)}, store.tls)
    return EmbeddedEngines(settings.data_dir / "chdb")


def reading_engines_of(settings: Settings) -> EngineSource | None:
    """For readers: the server, with limits and without writing; None where only the writer has the store open, or knows
    which rows are archived.

    Raises:
        SettingsError: a package is missing.
    """
    store = settings.store
    if store.engine != "clickhouse" or settings.archive.place:
        return None
    check_packages(settings)
    return ServerEngines(store.read_url or store.url, _limits(settings), store.tls)


def server_at(settings: Settings, url: str) -> EngineSource:
    """The server at a URL, with the certificates of the settings and nothing else of them."""
    return ServerEngines(url, None, settings.store.tls)


def archive_engines_of(settings: Settings) -> EngineSource | None:
    """With which the writer answers over hot and archived rows: the server with a reader's limits; None where the
    writer's own does it."""
    store = settings.store
    if store.engine != "clickhouse":
        return None
    return ServerEngines(store.url, {**_limits(settings), **_patience(settings)}, store.tls)


def _limits(settings: Settings) -> dict[str, str]:
    store = settings.store
    return {
        "readonly": "2",
        "max_execution_time": f"{store.query_s:g}",
        "max_result_rows": str(store.query_rows),
        "cancel_http_readonly_queries_on_client_close": "1",
        **store.read_settings,
    }


def _patience(settings: Settings) -> dict[str, str]:
    """How long the server tries a place of archived files, where there is one."""
    return patience(settings.archive.place_timeout_s) if settings.archive.place else {}
