"""Rows a day at the gateway: every form of an answer counts, over all instances, and says what is left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import (
    Records,
    continued,
    decode_question,
    encode_answer,
    encode_question,
    key_of,
)
from marketprism_application.queries.arrow_tables import table_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, rpc
from tests.fakes.ticks import at, tick
from tests.integration.api.access_side import Gateway, gateway
from tests.support.services import running

pytestmark = pytest.mark.timeout(120)
_OPENED = at("2025-03-03 09:00:00")
TICKS, STREAM = "/api/v1/ticks/rb2505", "/api/v1/ticks/rb2505/stream?format=csv"


class Query(Service):
    """Has as many ticks as anybody asks for."""

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        asked = decode_question(data)
        assert isinstance(asked, Records)
        rows = [tick(_OPENED + n, "3000.5", n + 1) for n in range(asked.limit or 1)]
        page = table_of(TICK, rows)
        return encode_answer(continued(page, key_of(TICK, page)))


@pytest.fixture
async def query(server_url: str) -> AsyncIterator[Query]:
    connection = await NatsConnection.open(server_url, name="query")
    service = Query("query", connection)
    async with running(service):
        yield service
    await connection.close()


async def knows(api: Gateway, query: Query) -> None:
    async with asyncio.timeout(20):
        while query.instance not in {each.instance for each in api.service.discovery.instances("query")}:
            await asyncio.sleep(0.01)


async def test_every_answer_counts_at_every_instance(
    server_url: str, query: Query, eventually: Callable[..., Any]
) -> None:
    async with gateway(server_url) as one, gateway(server_url) as other:
        await knows(one, query)
        await knows(other, query)
        root = await one.key(await one.user("admin"))
        ann = await one.user("quant", rows_per_day=1_000)
        key, second = await one.key(ann), await one.key(ann, rows_per_day=10)
        answer = await one.ask("GET", f"{TICKS}?limit=300", key)
        assert (answer.status, len(answer.data)) == (200, 300)
        assert re.fullmatch(r'"req";q=\d+, "rows";q=1000;w=86400', answer.headers["RateLimit-Policy"])
        assert re.search(r', "rows";r=700;t=\d+$', answer.headers["RateLimit"]), answer.headers["RateLimit"]
        assert '"rows"' not in (await one.ask("GET", "/api/v1/me", key)).headers["RateLimit"]

        async def used(api: Gateway) -> int:
            (row, *_) = (await api.ask("GET", "/api/v1/me", key)).data["rows"]
            assert (row["account"], row["per_day"]) == (f"user-{ann.id}", 1_000)
            return int(row["used"])

        async with asyncio.timeout(20):
            while await used(other) != 300:
                await asyncio.sleep(0.05)
        # A file, a stream, and what MarketClient asks; the owner's other key counts on the same account, and its own.
        assert (await other.ask("GET", f"{TICKS}?limit=100&format=csv", key)).status == 200
        assert (await other.ask("GET", f"{STREAM}&limit=150", key)).status == 200
        question = encode_question(Records("tick", "rb2505", limit=50))
        async with other.session.post(
            f"{other.base}/api/v1/client/ask", data=question, headers={"X-API-Key": key}
        ) as raw:
            assert (raw.status, '"rows";r=400' in raw.headers["RateLimit"]) == (200, True)
        assert (await other.ask("GET", f"{TICKS}?limit=20", second)).status == 200
        assert await used(other) == 620
        spent = await other.ask("GET", f"{TICKS}?limit=1", second)
        assert (spent.status, spent.code) == (429, "QUOTA")
        assert f"key-{second.split('_')[1]}" in spent.body["error"]["message"]
        assert 0 < int(spent.headers["Retry-After"]) <= 86_400

        assert (await other.ask("GET", f"{TICKS}?limit=380", key)).status == 200
        async with asyncio.timeout(20):
            while (refused := await one.ask("GET", f"{TICKS}?limit=1", key)).status == 200:
                await asyncio.sleep(0.05)
        assert (refused.status, refused.code) == (429, "QUOTA")
        assert refused.headers["RateLimit"].partition('"rows";')[2].startswith("r=0;")
        for path in (STREAM, "/api/v1/ticks/rb2505/latest"):
            assert (await other.ask("GET", path, key)).code == "QUOTA"
        async with other.session.post(
            f"{other.base}/api/v1/client/ask", data=question, headers={"X-API-Key": key}
        ) as raw:
            assert raw.status == 429
        assert (await other.ask("GET", "/api/v1/me", key)).status == 200
        assert (await other.ask("GET", f"{TICKS}?limit=1", root)).status == 200  # others are not held up
        # More for the user counts at once.
        change = await one.ask("PATCH", f"/api/v1/admin/users/{ann.id}", root, {"rows_per_day": 2_000})
        assert (change.status, change.data["rows_per_day"]) == (200, 2_000)
        assert (await one.ask("GET", f"{TICKS}?limit=1", key)).status == 200
        wrong = await one.ask("PATCH", f"/api/v1/admin/users/{ann.id}", root, {"rows_per_day": -1})
        assert (wrong.status, wrong.body["error"]["message"][:13]) == (400, "rows_per_day:")


async def test_a_stream_ends_where_the_rows_of_the_day_do(server_url: str, query: Query) -> None:
    async with gateway(server_url) as api:
        await knows(api, query)
        key = await api.key(await api.user("quant"), limits="bulk", rows_per_day=25_000)
        async with api.session.get(f"{api.base}{STREAM}", headers={"X-API-Key": key}) as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):  # not a short answer that looks whole
                await answer.read()
        (row,) = (await api.ask("GET", "/api/v1/me", key)).data["rows"]
        assert row["used"] == 30_000  # whole pages
        assert (await api.ask("GET", STREAM, key)).code == "QUOTA"


async def test_who_needs_no_login_has_no_quota(server_url: str, query: Query) -> None:
    async with gateway(server_url, auth="local") as api:
        await knows(api, query)
        answer = await api.ask("GET", f"{TICKS}?limit=10")
        assert (answer.status, '"rows"' in answer.headers["RateLimit"]) == (200, False)
