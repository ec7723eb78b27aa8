"""Answers of the read API in the envelope, or as files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, failed
from marketprism_application.contracts.kinds import TICK, DataKind
from marketprism_application.queries.export import json_of, json_rows, render
from marketprism_sdk.lazy import loaded
from marketprism_services.query.http.parameters import FormatParameters

if TYPE_CHECKING:
    import pyarrow as pa

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "msgpack": "application/msgpack",
}
_AT_ONCE = 200  # rows; more are rendered in a thread, so that others need not wait for it


async def enveloped(
    request: web.Request, work: Callable[[], Awaitable[pa.Table | Sequence[Any]]], kind: DataKind | None = None
) -> web.Response:
    """The answer in the contract's envelope, or as a file with `format=`.

    A few records of a `kind` need no table on their way to JSON: making one costs more than all the rest.
    """
    stamp = Stamp.of(request)
    try:
        form = FormatParameters.of(request).format
        found = await work()
        if isinstance(found, Sequence):
            if form == "json":
                rows = [json_of(record._asdict()) for record in found]
                return answered(rows, f"{len(rows)} rows", stamp)
            await loaded("pyarrow")
            from marketprism_application.queries.arrow_tables import table_of  # noqa: PLC0415 (loads pyarrow)

            found = table_of(kind or TICK, found)
        if form != "json":
            body = await asyncio.to_thread(render, found, form)
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPES[form]})
        rows = json_rows(found) if found.num_rows <= _AT_ONCE else await asyncio.to_thread(json_rows, found)
        return answered(rows, f"{len(rows)} rows", stamp)
    except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
        return failed(request, error, stamp)
