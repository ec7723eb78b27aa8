"""Statements to a ClickHouse server over HTTP, tables as Arrow streams in both directions.

The columns that the kinds make are Arrow already; the server reads and writes Arrow natively, so no value of a column
becomes a Python object on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp

from marketprism_adapters.clickhouse.server_url import HTTP, parse_server_url
from marketprism_adapters.clickhouse.sql.columns import arrow_stream
from marketprism_adapters.clickhouse.sql.engine_errors import store_error
from marketprism_adapters.clickhouse.sql.schema import Insert
from marketprism_application.errors import StoreError
from marketprism_sdk.client_tls import ClientTls, RenewedTls
from marketprism_sdk.errors import InvalidSetting, reason_of
from marketprism_sdk.lazy import loaded

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 1 << 18
_READ = {
    "default_format": "ArrowStream",
    "output_format_arrow_string_as_string": "1",
    "output_format_arrow_low_cardinality_as_dictionary": "0",
    "wait_end_of_query": "1",  # an error after the first block must not look like a short answer
}


class ClickHouseEngine:
    """Fulfils the engine's part of `sql.store`. `url` is http(s)://user:password@host:port."""

    reads_arrow: ClassVar[bool] = True

    def __init__(
        self, session: aiohttp.ClientSession, url: str, settings: dict[str, str], tls: ClientTls | None = None
    ) -> None:
        self._session = session
        self._tls = RenewedTls(tls or ClientTls())
        self._url = url
        self._settings = settings

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        timeout_s: float = 60.0,
        settings: dict[str, str] | None = None,
        tls: ClientTls | None = None,
    ) -> ClickHouseEngine:
        """Connect and ask for the version.

        Raises:
            StoreError: not an HTTP URL, or nobody answers there (retryable).
        """
        parts = parse_server_url(url, HTTP)
        headers = {}
        if parts.user:
            headers = {"X-ClickHouse-User": parts.user, "X-ClickHouse-Key": parts.password}
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.host}]" if ":" in parts.host else parts.host
        session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s, connect=5.0),
            connector=aiohttp.TCPConnector(limit=16),
        )
        await loaded("pyarrow")
        engine = cls(session, f"{parts.scheme}://{host}{port}/", settings or {}, tls)
        try:
            await engine.fetch("SELECT version() AS version")
        except BaseException:
            await session.close()
            raise
        return engine

    async def execute(self, statement: str, params: dict[str, Any] | None = None) -> None:
        """Run a statement without a result."""
        await self._post(statement, params)

    async def insert(self, what: Insert, rows: pa.Table) -> None:
        """Run an INSERT, FROM input(…) where its columns are made of others; the table is the body of the request."""
        body = await asyncio.to_thread(arrow_stream, rows)
        statement = f"{what.into} {what.settings}" if what.as_it_is else what.statement(f"input('{what.structure}')")
        await self._post(f"{statement} FORMAT ArrowStream", None, body)

    async def insert_encoded(self, what: Insert, rows: bytes) -> None:
        """Run an INSERT … FROM input(…) of MessagePack values."""
        source = f"input('{what.structure}')"
        await self._post(f"{what.statement(source)} FORMAT MsgPack", None, rows)

    async def fetch(self, statement: str, params: dict[str, Any] | None = None) -> pa.Table:
        """Result as an Arrow table; a caller that is cancelled cancels the query on the server."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        query_id = secrets.token_hex(12)
        try:
            data = await self._post(statement, params, query_id=query_id)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreError, asyncio.CancelledError):
                await self._post(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC", None)
            raise
        return pa.ipc.open_stream(data).read_all() if data else pa.table({})

    async def _post(
        self, statement: str, params: dict[str, Any] | None, body: bytes | None = None, query_id: str = ""
    ) -> bytes:
        arguments = {**_READ, **self._settings, **{f"param_{k}": str(v) for k, v in (params or {}).items()}}
        if query_id:
            arguments["query_id"] = query_id
        data: bytes | AsyncIterator[memoryview] = statement.encode()
        if body is not None:
            arguments["query"], data = statement, _pieces(body)
        try:
            secured = await self._tls.now()
            async with self._session.post(self._url, params=arguments, data=data, ssl=secured) as answer:
                content = await answer.read()
                if answer.status != 200:
                    raise _error_of(answer.headers.get("X-ClickHouse-Exception-Code", "0"), content)
                return content
        except InvalidSetting as error:
            raise StoreError(f"store.tls.{error}", retryable=True) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = reason_of(error)
            raise StoreError(f"ClickHouse at {self._url}: no answer: {reason}", retryable=True) from error

    async def close(self) -> None:
        await self._session.close()


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    """A large body in pieces: the loop serves others between them."""
    view = memoryview(body)
    for start in range(0, len(view), _PIECE):
        yield view[start : start + _PIECE]


def _error_of(code: str, content: bytes) -> StoreError:
    return store_error(content.decode("utf-8", "replace"), int(code) if code.isdecimal() else 0)
