"""Statements to a ClickHouse server over its native protocol, for clusters that open only port 9000 (9440 with TLS).

The library blocks, so each statement runs in a worker thread, on a connection that nobody else uses meanwhile. Whoever
no longer waits, because of a deadline or a cancellation, cuts that connection, and the server ends the query.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar, TypeVar

import pyarrow as pa

from marketprism_adapters.clickhouse.native_columns import table_of, values_of
from marketprism_adapters.clickhouse.server_url import NATIVE, ServerUrl, parse_server_url
from marketprism_adapters.clickhouse.sql.engine_errors import store_error
from marketprism_adapters.clickhouse.sql.schema import Insert
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.errors import RowError, StoreError
from marketprism_sdk.client_tls import ClientTls

_CONNECTIONS = 16  # as many as HTTP has
_CONNECT_S = 5.0
_ROWS = "_marketprism_rows"
# The server's newer planner reads the rows of `format` twice, once for their names.
_ONE_READING = {"allow_experimental_analyzer": "0"}
_Result = TypeVar("_Result")


class NativeEngine:
    """Fulfils the engine's part of `sql.store`. `url` is clickhouse(s)://user:password@host:port/database.

    Raises (everywhere):
        StoreError: the server's own, by its number; retryable when nobody answers in time.
        RowError: a value that a table cannot take.
    """

    reads_arrow: ClassVar[bool] = False

    def __init__(
        self, driver: Any, url: ServerUrl, timeout_s: float, settings: dict[str, str], tls: ClientTls | None = None
    ) -> None:
        self._driver = driver
        self._tls = tls or ClientTls()
        self._url = url
        self._timeout_s = timeout_s
        self._settings = settings
        self._executor = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="clickhouse")
        self._idle: list[Any] = []  # the one that was used last is taken first
        self._running: set[_Call] = set()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        timeout_s: float = 60.0,
        settings: dict[str, str] | None = None,
        tls: ClientTls | None = None,
    ) -> NativeEngine:
        """Connect and ask for the version. `settings` go with every statement.

        Raises:
            StoreError: a URL that is none, the library is missing, the server refuses, or nobody answers (retryable).
        """
        parts = parse_server_url(url, NATIVE)
        engine = cls(await asyncio.to_thread(_load), parts, timeout_s, settings or {}, tls)
        try:
            await engine.fetch("SELECT version() AS version")
        except BaseException:
            await engine.close()
            raise
        return engine

    @staticmethod
    async def preload() -> None:
        """Load the library.

        Raises:
            StoreError: it is missing; the text says what to install.
        """
        await asyncio.to_thread(_load)

    async def execute(self, statement: str, params: dict[str, Any] | None = None) -> None:
        """Run a statement without a result."""
        await self._run(lambda client: client.execute(statement, _parameters(params)))

    async def insert(self, what: Insert, rows: pa.Table) -> None:
        """Run an INSERT … FROM input(…); the columns of the table, in its order, are one block."""
        source = f"input('{what.structure}')"
        await self._run(partial(_insert, f"{what.statement(source)} FORMAT Native", rows))

    async def insert_encoded(self, what: Insert, rows: bytes) -> None:
        """Run an INSERT … FROM format(MsgPack, …): the bytes travel as one value, and the server takes them apart."""
        source = f"format(MsgPack, '{what.structure}', (SELECT body FROM {_ROWS}))"
        table = {"name": _ROWS, "structure": [("body", "String")], "data": [{"body": rows}]}
        statement = what.statement(source)
        await self._run(lambda client: client.execute(statement, external_tables=[table], settings=_ONE_READING))

    async def fetch(self, statement: str, params: dict[str, Any] | None = None) -> pa.Table:
        """Result as an Arrow table, as HTTP gives it; a caller that is cancelled cancels the query on the server."""
        return await self._run(partial(_fetch, statement, _parameters(params)))

    async def _run(self, work: Callable[[Any], _Result]) -> _Result:
        call = _Call()
        self._running.add(call)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._executor, self._work, call, work)
        except TimeoutError as error:
            raise self._no_answer(f"{self._timeout_s:g} s are over") from error
        finally:
            call.end()
            self._running.discard(call)

    def _work(self, call: _Call, work: Callable[[Any], _Result]) -> _Result:
        """In a worker thread: on a connection of its own, opened where none is free."""
        client = self._idle.pop() if self._idle else self._client()
        try:
            call.hold(client)
            if not client.connection.connected:
                client.connection.connect()
                call.hold(client)  # whoever ended it meanwhile found no socket to cut
            return work(client)
        except StoreError:
            raise
        except Exception as error:  # the library raises classes of several modules
            client.disconnect()
            raise self._error_of(error) from error
        finally:
            call.release()
            self._idle.append(client)

    def _client(self) -> Any:
        url = self._url
        # Tables are named with their database, and it is made by the first migration: it need not be there yet.
        database = "" if url.database == DATABASE else url.database
        return self._driver.Client(
            url.host,
            port=url.port or None,
            user=url.user or "default",
            password=url.password,
            database=database,
            secure=url.scheme == "clickhouses",
            **self._secured(),  # read at each connection
            connect_timeout=_CONNECT_S,
            sync_request_timeout=_CONNECT_S,
            send_receive_timeout=self._timeout_s,
            client_name="marketprism",
            settings={**self._settings, "server_side_params": True},
            settings_is_important=True,  # one that the server does not know is an error, as it is over HTTP
        )

    def _secured(self) -> dict[str, str]:
        """Files as the library takes them."""
        own = {"certfile": self._tls.cert, "keyfile": self._tls.key}
        system = ssl.get_default_verify_paths().cafile
        trusted = {"ca_certs": self._tls.ca or system}
        return {name: str(path) for name, path in (own | trusted).items() if path is not None}

    def _error_of(self, error: Exception) -> StoreError:
        errors = self._driver.errors
        if isinstance(error, errors.ServerException):
            text = error.message.partition(". Stack trace:")[0]
            return store_error(f"Code: {error.code}. {text}", error.code)
        if isinstance(error, (errors.UnexpectedPacketFromServerError, errors.UnknownPacketFromServerError)):
            return StoreError(f"ClickHouse at {self._where}: expected its native protocol: {error.message}")
        if isinstance(error, (errors.NetworkError, errors.SocketTimeoutError)):
            return self._no_answer(error.message)
        if isinstance(error, (OSError, EOFError)):
            return self._no_answer(str(error) or type(error).__name__)
        return StoreError(f"ClickHouse at {self._where}: {error}")

    def _no_answer(self, reason: str) -> StoreError:
        return StoreError(f"ClickHouse at {self._where}: no answer: {reason}", retryable=True)

    @property
    def _where(self) -> str:
        host = f"[{self._url.host}]" if ":" in self._url.host else self._url.host
        return f"{self._url.scheme}://{host}" + (f":{self._url.port}" if self._url.port else "")

    async def close(self) -> None:
        """End what runs and close the connections."""
        for call in self._running:
            call.end()
        closing = asyncio.to_thread(self._close)
        await asyncio.shield(closing)  # also where nobody waits any longer

    def _close(self) -> None:
        self._executor.shutdown(wait=True)
        while self._idle:
            self._idle.pop().disconnect()


class _Call:
    """A statement on its way, and how it is ended from outside its thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None
        self._ended = False

    def hold(self, client: Any) -> None:
        """The statement has this connection from here on.

        Raises:
            EOFError: it was ended before.
        """
        with self._lock:
            if self._ended:
                raise EOFError("ended before it began")
            self._client = client

    def release(self) -> None:
        """The connection is somebody else's from here on."""
        with self._lock:
            self._client = None

    def end(self) -> None:
        """Cut the connection, where there is one yet and the statement still runs; returns at once."""
        with self._lock:
            self._ended = True
            if self._client is not None and (connected := self._client.connection.socket) is not None:
                with contextlib.suppress(OSError):  # it is closed already
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)  # TLS would wait for the other side's farewell


class _Literal:
    """A parameter's text, quoted once: the library would quote a `str` twice, and the text has its escapes already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text.replace("\\", "\\\\").replace("'", "\\'")


def _parameters(params: dict[str, Any] | None) -> dict[str, _Literal]:
    return {name: _Literal(str(value)) for name, value in (params or {}).items()}


def _load() -> Any:
    try:
        import clickhouse_driver  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise StoreError(
            "store.url: expected the package clickhouse-driver for clickhouse://, found none: "
            "pip install 'marketprism[native]'"
        ) from error
    # It logs each connection that fails, with a traceback; the error says it, and whoever retries logs that.
    logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)
    return clickhouse_driver


def _insert(statement: str, rows: pa.Table, client: Any) -> None:
    try:
        client.execute(statement, values_of(rows), columnar=True)
    except (AttributeError, TypeError, ValueError, struct.error) as error:
        client.disconnect()
        raise RowError(f"store: a value that its column cannot hold: {error}") from error


def _fetch(statement: str, params: dict[str, _Literal], client: Any) -> pa.Table:
    as_bytes = {"strings_as_bytes": True}  # Arrow reads the text, once
    values, columns = client.execute(statement, params, with_column_types=True, columnar=True, settings=as_bytes)
    return table_of(columns, values)
