"""Whatever is sent to the backtest and the order endpoints, the answer is one: never 5xx, and the services live on.

`RANDOM_BODIES=100000 pytest tests/integration/backtest_service/test_random_bodies.py` sends that many.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from marketprism_adapters.trading_tables.files import FileTables
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.order.service import OrderService
from tests.integration.api.access_side import Gateway, gateway
from tests.support.backtest_place import place
from tests.support.random_requests import Sent, requests
from tests.support.services import running

COUNT = int(os.environ.get("RANDOM_BODIES", "700"))
SEED = int(os.environ.get("RANDOM_SEED", "7"))
AT_ONCE, AGAIN = 24, 5
pytestmark = [pytest.mark.timeout(180 + COUNT // 5), pytest.mark.xdist_group("clickhouse")]


@pytest.mark.long
async def test_no_body_of_any_kind_is_a_fault_of_the_server(
    stored: str, tmp_path: Path, calendar: MarketCalendar
) -> None:
    async with (
        place(stored, tmp_path, calendar) as at,
        running(at.service(at.connection)),
        running(OrderService(at.connection, FileTables.read)),
        gateway(at.url, auth="local", per_second=1e6, concurrent=10_000) as api,
    ):
        for path in ("/api/v1/backtests", "/api/v1/orders/tables/okx"):
            async with asyncio.timeout(30):
                while (await api.ask("GET", path)).status != 200:
                    await asyncio.sleep(0.05)
        waiting = requests(SEED, COUNT, min(0.1, 1_500 / COUNT))
        statuses: Counter[int] = Counter()
        faults: list[tuple[Sent, int, bytes]] = []
        away = [0]

        async def send() -> None:
            for each in waiting:
                status, data = await answered(api, each)
                for _ in range(AGAIN):  # on a starved machine nobody is heard for a moment; a body's fault comes again
                    if status != 503:
                        break
                    away[0] += 1
                    await asyncio.sleep(1)
                    status, data = await answered(api, each)
                statuses[status] += 1
                if status >= 500:
                    faults.append((each, status, data[:500]))

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        print(f"{COUNT} requests of seed {SEED}: {dict(sorted(statuses.items()))}, 503 before: {away[0]}")
        for each, status, data in faults[:40]:
            print(status, each.method, each.path, (each.body or b"")[:300], data[:200])
        assert not faults, len(faults)
        assert statuses.total() == COUNT
        assert statuses[400] > COUNT // 2  # they reach what looks at them
        assert {200, 202, 404} <= statuses.keys()
        assert (await api.ask("GET", "/api/v1/backtests")).status == 200


async def answered(api: Gateway, sent: Sent) -> tuple[int, bytes]:
    """Status and body."""
    url = URL(api.base + sent.path, encoded=True)
    headers = {"Content-Type": sent.kind} if sent.body is not None else {}
    body = io.BytesIO(sent.body) if sent.body is not None else None
    async with api.session.request(
        sent.method, url, data=body, headers=headers, timeout=aiohttp.ClientTimeout(120)
    ) as answer:
        return answer.status, await answer.read()
