"""What a caller of the read side may not do, and what it gets instead."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_services.settings.api import ApiSettings
from tests.integration.query.read_side import Serve, filled, serve

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


WRONG = [
    (
        "bars/rb2505?interval=1m&from=2025-03-04&to=2025-03-03",
        400,
        "to: expected after from (2025-03-04), was 2025-03-03",
    ),
    ("bars/rb2505", 400, "interval: expected one for bars"),
    ("bars/rb2505?interval=0m", 400, "interval: expected"),
    ("bars/nope1?interval=1m", 404, "symbol: expected one that is stored, was 'nope1'"),
    ("ticks/nope1/latest", 404, "symbol: expected one that is stored"),
    ("ticks/rb2505?limit=0", 400, "limit: expected 1 to"),
    ("ticks/rb2505?limit=99999999999999999999", 400, "limit: expected 1 to"),
    ("ticks/rb2505?limit=%C2%B2", 400, "limit: expected 1 to"),
    ("ticks/rb2505?after=1", 400, "after: expected <ts>,<seq>"),
    ("ticks/rb2505?from=soon", 400, "from: expected a date or time"),
    ("ticks/rb2505?format=xml", 400, "format: expected one of"),
    ("ticks/rb2505?venue=X'%20OR%201", 400, "venue: expected"),
    ("ticks/rb2505'%20OR%201=1--", 404, "symbol: expected one that is stored"),
    ("ticks/%00", 400, "symbol: expected"),
    ("instruments?search=%00%01", 400, "search: expected at most 64 printable"),
    ("instruments?class=fish", 400, "class: expected one of future, option, combination, spot, swap, was 'fish'"),
    ("instruments?search=')%20OR%20('1", 200, ""),
    ("instruments?class=' OR 1=1 --", 400, "class: expected one of future, option"),
    ("instruments?class=futur", 400, "was 'futur'; did you mean 'future'"),
    ("bars/rb2505?interval=1m&fromm=2025-03-03", 400, "fromm: expected one of tz, times, fields"),
    ("bars/rb2505?interval=99999999999m", 400, "interval: expected a number and one of s m h d w"),
    ("orderbook/rb2505?at=yesterday", 400, "at: expected a date or time"),
    ("ticks/a,b,c?limit=20000", 400, "limit: expected at most"),
    ("ticks/rb2505/stream?format=xml", 400, "format: expected one of"),
    ("ticks/rb2505/stream?last=true", 400, "last: expected none"),
    ("bars/rb2505/stream?interval=7m", 400, "interval: expected one of"),
    ("ticks/nope1/stream", 404, "symbol: expected one that is stored"),
    ("bars/rb2505/latest?interval=x", 400, "interval: expected"),
    ("bars/%00/latest", 400, "symbol: expected"),
    ("ticks/%00/latest", 400, "symbol: expected"),
    ("sessions/%00", 400, "symbol: expected"),
    ("sessions/rb2505?venue=okx", 400, "venue: expected one where rb2505 is stored (shfe)"),
    ("sessions/rb2505?from_day=2020-01-01&to_day=2025-01-01", 400, "to_day: expected at most 400 days"),
    ("sessions/nope1", 404, "symbol: expected one that is stored, was 'nope1'"),
    ("coverage?from_day=2020-01-01&to_day=2025-01-01", 400, "to_day: expected at most 400 days"),
    ("coverage?symbols=a,,b", 400, "symbol: expected one between commas"),
    ("coverage?limit=201", 400, "limit: expected 1 to 200, was '201'"),
    ("coverage?after=x", 400, "after: expected <venue>,<symbol>"),
    ("coverage?newest=0", 400, "newest: expected 1 to 400"),
    ("gaps?after=1,2", 400, "after: expected <ts_from>,<symbol>,<venue>,<cause>,<kind>"),
    ("gaps?causes=x", 400, "causes: expected one of"),
    ("quality?from=x", 400, "from: expected"),
    ("dominant/%00", 400, "symbol: expected"),
    ("bars/rb2505?interval=volume:450", 400, "from and to: expected both"),
    ("bars/rb2505?interval=volume:many", 400, "interval: expected tick:100, volume:1000 or turnover"),
    ("klines/rb2505?interval=volume:450", 400, "interval: expected"),
]


async def test_a_question_that_cannot_be_answered_says_why(serve: Serve) -> None:
    api = await serve()
    for path, status, text in WRONG:
        answered, body = await api.get(path)
        assert (answered, body["success"]) == (status, status == 200), (path, body)
        assert body["request_id"]
        if status == 200:
            assert body["data"] == [], path
        else:
            assert text in body["error"]["message"], path
    assert len(await api.rows("bars/rb2505?interval=1m")) == 10


async def test_a_reader_who_stops_reading_is_cut_off_and_others_are_served(serve: Serve) -> None:
    api = await serve(ApiSettings(stall_s=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", api.service.http.port, limit=1_024)
    writer.write(b"GET /api/v1/ticks/rb2505/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    await reader.read(512)
    async with asyncio.timeout(20):
        while not api.service.metrics.total("streams_cut_total"):
            assert len(await api.rows("bars/rb2505?interval=1m")) == 10
            await asyncio.sleep(0.05)
    rest = b""
    with contextlib.suppress(ConnectionError):
        rest = await reader.read()
    assert not rest.endswith(b"0\r\n\r\n"), "what was cut must not look whole"
    writer.close()


async def test_a_caller_who_asks_too_much_waits_and_another_does_not(serve: Serve) -> None:
    api = await serve(ApiSettings(per_second=5))
    first = await asyncio.gather(*(api.get("symbols", **{"X-API-Key": f"made up {n}"}) for n in range(12)))
    refused = [body["error"] for status, body in first if status == 429]
    assert 1 <= len(refused) <= 7
    assert refused[0]["message"] == "expected at most 5 questions a second of one caller"
    other = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=other) as session, session.get(f"{api.base}/api/v1/symbols") as answer:
        assert answer.status == 200


async def test_a_caller_who_goes_away_ends_its_query_on_the_server(serve: Serve, filled: str) -> None:
    slow = {"max_execution_speed": "500", "timeout_before_checking_execution_speed": "0", "max_block_size": "100"}
    api = await serve(engine=slow)
    watching = await ClickHouseEngine.open(filled)
    running = (
        "SELECT count() AS n FROM system.processes WHERE query LIKE '%market_ticks%' AND query NOT LIKE '%processes%'"
    )

    async def count() -> int:
        return int((await watching.fetch(running)).to_pylist()[0]["n"])

    asking = asyncio.create_task(api.get("ticks/rb2505?limit=20000"))
    async with asyncio.timeout(20):
        while not await count():
            await asyncio.sleep(0.02)
        asking.cancel()
        while await count():
            await asyncio.sleep(0.02)
    await asyncio.gather(asking, return_exceptions=True)
    await watching.close()
