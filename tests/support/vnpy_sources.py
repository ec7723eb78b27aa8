"""A scripted gateway of VeighNa as a source, and what was read of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_adapters.vnpy_gateway.source import VnpySource
from marketprism_application.ports.sources import SourceBatch
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.urls import Secret
from tests.support.vnpy_gateways import setting

CHINA = timezone(timedelta(hours=8))
TEN = datetime(2025, 3, 4, 10, 0, tzinfo=CHINA)
QUICK = VnpySettings(
    setting=Secret(setting()), connect_s=2.0, contracts_s=0.3, quiet_s=0.02, requests_per_second=100_000
)

Opened = Callable[..., Any]


async def until(source: VnpySource, enough: Callable[[list[SourceBatch]], bool]) -> list[SourceBatch]:
    """Batches until there are enough of them."""
    found: list[SourceBatch] = []
    stream = source.stream({})
    async with asyncio.timeout(10):
        async for batch in stream:
            found.append(batch)
            if enough(found):
                break
    await stream.aclose()  # type: ignore[attr-defined]
    return found


def ticks(batches: list[SourceBatch]) -> list[Tick]:
    return [tick for batch in batches for tick in batch.ticks]


def events(batches: list[SourceBatch]) -> list[str]:
    return [type(event).__name__ for batch in batches for event in batch.events]


def pushing(count: int, threads: int = 1) -> Callable[[Any], None]:
    """Lists two contracts, and pushes ticks of both from threads of its own."""

    def script(gateway: Any) -> None:
        gateway.contract("rb2505")
        gateway.contract("rb2510")

        def push(number: int) -> None:
            for at in range(count):
                symbol = ("rb2505", "rb2510")[number % 2]
                gateway.tick(symbol, TEN + timedelta(milliseconds=at), volume=at)

        for number in range(threads):
            threading.Thread(target=push, args=(number,), daemon=True).start()

    return script
