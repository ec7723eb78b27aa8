"""`--day` of the commands that read: the read side knows the instrument by any of its names, and its night."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_application.contracts.kinds import BAR, GAP, QUALITY, TICK
from marketprism_application.ports.storage import StreamPlace, StreamRange
from tests.contract.test_codec import SAMPLES
from tests.e2e.warm import ask
from tests.fakes.ticks import at, book, tick
from tests.integration.query.read_side import MINUTE, OPENED, Serve, bar, filled, serve

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]

NIGHT = at("2025-02-28 21:00:00")


@pytest.fixture(scope="module", autouse=True)
def night(filled: str) -> None:
    """Of the Monday's night, which is the Friday's evening, and of the Friday itself: a row of each kind."""
    rows = {
        BAR: [
            bar(0)._replace(ts_open=ts, ts_close=ts + MINUTE, ts_event=ts + MINUTE, seq=1, trading_day=day)
            for ts, day in ((NIGHT, "20250303"), (NIGHT - 8 * 60 * MINUTE, "20250228"))
        ],
        TICK: [
            tick(ts, "3000", n, **book(2999, 3001))._replace(seq=n, trading_day=day)
            for n, (ts, day) in enumerate(((NIGHT, "20250303"), (NIGHT - 8 * 60 * MINUTE, "20250228")), 1)
        ],
        GAP: [
            SAMPLES["gap"]._replace(
                venue="shfe", symbol="rb2505", ts_from=ts, ts_to=ts + MINUTE, ts_event=ts, trading_day=day
            )
            for ts, day in ((NIGHT, "20250303"), (NIGHT - 8 * 60 * MINUTE, "20250228"))
        ],
        QUALITY: [
            SAMPLES["quality"]._replace(venue="shfe", symbol="rb2505", ts_from=ts, ts_to=ts + MINUTE, ts_event=ts)
            for ts in (NIGHT, NIGHT - 8 * 60 * MINUTE)
        ],
    }

    async def go() -> None:
        engine = await ClickHouseEngine.open(filled)
        for kind, records in rows.items():
            places = [StreamPlace(n, 0) for n in range(1, len(records) + 1)]
            await SqlStore(engine).insert(kind, records, places, StreamRange("N", f"n-{kind.name}", 1, 2), 1)
        await engine.close()

    asyncio.run(go())


def asked(*command: str) -> list[dict[str, Any]]:
    done = ask((*command, "--json"), dict(os.environ), 120)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "name",
    ["rb2505", *(pytest.param(each, marks=pytest.mark.long) for each in ("SHFE.rb2505", "RB2505", "rb2505.SHFE"))],
)
async def test_a_day_has_its_night_by_every_name(serve: Serve, name: str) -> None:
    api = await serve()
    where = ("--day", "2025-03-03", "--nats-url", api.url)
    found, coverage, ticks, gaps, quality = await asyncio.gather(
        asyncio.to_thread(asked, "bars", name, *where),
        asyncio.to_thread(asked, "coverage", name, *where),
        asyncio.to_thread(asked, "ticks", name, *where),
        asyncio.to_thread(asked, "gaps", name, *where),
        asyncio.to_thread(asked, "quality", name, *where),
    )
    assert [row["ts_open"] for row in found] == [NIGHT, *(OPENED + n * MINUTE for n in range(10))]
    assert [row["trading_day"] for row in coverage] == ["20250303"]
    assert ticks[0]["ts_event"] == NIGHT
    assert {row["trading_day"] for row in ticks} == {"20250303"}
    assert [row["ts_from"] for row in gaps] == [NIGHT]
    assert [row["ts_from"] for row in quality] == [NIGHT]
