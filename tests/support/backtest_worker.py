"""A backtest service in a process of its own, which tests kill: `python -m tests.support.backtest_worker URL FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.backtest.service import BacktestService
from marketprism_services.settings.backtest import BacktestSettings


async def main(url: str, folder: Path) -> None:
    """Serve until it is killed."""
    connection = await NatsConnection.open(url, name="backtest-worker")
    settings = BacktestSettings.model_validate(
        {"packages": ("examples", "odd"), "strategies": folder / "strategies", "workers": 1, "task_s": 1}
    )
    host = folder / f"host-{sys.argv[3]}"
    service = BacktestService(
        connection, chinese_calendar_of_markets, settings, host, FileTables.read, lease=LeaseSettings()
    )
    running = asyncio.create_task(service.run(asyncio.Event()))
    while not service.http.ready:
        await asyncio.sleep(0.01)
    print(f"instance {service.instance}", flush=True)
    await running


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
