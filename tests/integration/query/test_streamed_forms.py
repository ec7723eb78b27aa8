"""A streamed answer is one document in its form, whose rows are those of its pages, and holds no page that is sent."""

from __future__ import annotations

import io
import json
from typing import Any

import aiohttp
import msgpack
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketprism_adapters.http.envelope import Stamp
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.errors import StoreError
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.export import json_rows
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.api.read.requests import STREAM_FORMATS
from marketprism_services.api.read.stream_forms import CONTENT_TYPES, form_of
from tests.integration.query.served_api import Served, fill

PAGE = 7  # of thirty ticks
STAMP = Stamp("2025-03-03T01:00:00+00:00", "r")


def rows_of(form: str, body: bytes) -> list[dict[str, Any]]:
    """The rows of a document, as JSON has them."""
    if form == "csv":
        names, *lines = body.decode().splitlines()
        return [dict(zip(names.split(","), line.split(","), strict=True)) for line in lines]
    if form == "ndjson":
        return [json.loads(line) for line in body.splitlines()]
    if form == "msgpack":
        return list(msgpack.Unpacker(io.BytesIO(body)))
    if form == "json":
        found = json.loads(body)
        assert (found["success"], found["message"]) == (True, f"{len(found['data'])} rows")
        assert found["timestamp"]
        assert found["request_id"]
        return list(found["data"])
    table = pa.ipc.open_stream(body).read_all() if form == "arrow" else pq.read_table(io.BytesIO(body))
    return json_rows(table)


@pytest.mark.parametrize("form", STREAM_FORMATS)
async def test_the_document_has_the_rows_of_its_pages(calendar: MarketCalendar, form: str) -> None:
    store = MemoryStore()
    await fill(store)
    api = Served(store, ReadRules(calendar, ("1m", "1d")), page_rows=PAGE)
    await api.start()
    asked = "ticks/rb2505{}?format={}&levels=1&fields=seq,ts_event,last,bid_price_1,ask_price_1"
    whole, headers = await api.whole(asked.format("/stream", form))
    pages, _ = await api.whole(asked.format("", form if form != "ndjson" else "json"))
    assert headers["Content-Type"] == CONTENT_TYPES[form]
    expected = msgpack.unpackb(pages) if form == "msgpack" else rows_of(form if form != "ndjson" else "json", pages)
    assert rows_of(form, whole) == expected
    assert len(expected) == 30
    if form == "parquet":
        assert pq.ParquetFile(io.BytesIO(whole)).num_row_groups == 30 // PAGE + 1, "one a page"
    await api.stop()


@pytest.mark.parametrize("form", STREAM_FORMATS)
def test_a_page_is_let_go_with_its_bytes_and_no_rows_are_a_document_too(form: str) -> None:
    page = pa.table({"seq": pa.array(range(1_000), pa.int64())})
    one, many = form_of(form, STAMP), form_of(form, STAMP)
    first = one.part(page)
    parts = [many.part(page) for _ in range(20)]
    assert max(map(len, parts)) <= len(first) + 1_000, "each page leaves with its own bytes"
    assert min(map(len, parts)) > 500
    assert len(rows_of(form, b"".join([*parts, many.end()]))) == 20_000
    none = form_of(form, STAMP)
    assert rows_of(form, none.part(page.slice(0, 0)) + none.end()) == []


@pytest.mark.parametrize("form", ["json", "parquet"])
async def test_an_answer_that_cannot_be_finished_has_no_last_chunk(calendar: MarketCalendar, form: str) -> None:
    store = MemoryStore()
    await fill(store)
    api = Served(store, ReadRules(calendar, ("1m", "1d")), page_rows=PAGE)
    await api.start()
    api.broken, api.breaks_after = StoreError("away", retryable=True), 2
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.whole(f"ticks/rb2505/stream?format={form}")
    await api.stop()
