"""The backtest service, its store and read side before a gateway, and people at browsers before that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_application.contracts.kinds import GAP
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_domain.marketdata.gap import Gap
from tests.integration.api.access_side import gateway
from tests.integration.console.operating_side import Desk, Jobs, Source
from tests.support.backtest_place import Place, place
from tests.support.backtests import calendar
from tests.support.services import running

HOSTILE = "<img src=x onerror=alert(1)>"
_ODD = f"""
from marketprism_backtest import Field, Parameters, Strategy

class Hostile(Strategy):
    '''{HOSTILE} in what it says of itself.'''
    class Params(Parameters):
        text: str = Field("{HOSTILE}", max_length=200)

    def on_bar(self, ctx, bar):
        raise ValueError("{HOSTILE}")
"""


def add_gap(clickhouse_url: str, ts_from: int, ts_to: int) -> None:
    """The ledger says that ticks of ru1901 are missing there."""

    async def go() -> None:
        engine = await ClickHouseEngine.open(clickhouse_url)
        gap = Gap("shfe", "ru1901", "replay", 0, 1, ts_to, ts_to, ts_to, ts_from, ts_to, "disconnected")
        await SqlStore(engine).insert(GAP, [gap], [StreamPlace(1, 0)], StreamRange("G", "x", 1, 1), 1)
        await engine.close()

    asyncio.run(go())


class Bench(Desk):
    """A gateway with the backtest service and the read side behind it."""

    place: Place
    once: dict[str, Any]

    def done(self, method: str, body: dict[str, Any]) -> Any:
        """The same, once for all that only look at it."""
        asked = json.dumps([method, body])
        if asked not in self.once:
            self.once[asked] = self.made(method, body)
        return self.once[asked]

    def made(self, method: str, body: dict[str, Any]) -> Any:
        """What has become of something that was asked for."""
        asked = self.ask("POST", f"/api/v1/backtests{method}", json=body)
        assert asked.status == 202, asked.body
        path = f"/api/v1/backtests/{asked.data['run_id']}"
        self.until(lambda: self.ask("GET", path).data["state"] not in ("queued", "running"))
        return self.ask("GET", path).data


@asynccontextmanager
async def bench_in(clickhouse_url: str, folder: Path, **settings: Any) -> AsyncIterator[Bench]:
    """Everything, as long as it is needed; the store is filled already."""
    async with place(clickhouse_url, folder, calendar()) as at:
        (at.strategies / "odd" / "hostile.py").write_text(_ODD)
        async with running(at.service(at.connection, workers=2)), gateway(at.url, **settings) as made:
            unused = Jobs("unused", at.connection), Source("none", at.connection)
            bench = Bench(asyncio.get_running_loop(), made, at.connection, *unused)
            bench.place, bench.once = at, {}
            yield bench


__all__ = ["HOSTILE", "Bench", "add_gap", "bench_in"]
