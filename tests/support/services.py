"""A service in this process, for as long as it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from marketprism_sdk.service import Service

_READY_S = 60.0


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    """From when it is ready on; it has to end as a service does that was asked to."""
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        async with asyncio.timeout(_READY_S):
            while not service.http.ready:
                assert not task.done(), await task
                await asyncio.sleep(0.01)
        yield
    finally:
        stop.set()
        code = await task
    assert code == 0
