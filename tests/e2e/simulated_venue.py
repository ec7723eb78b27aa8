"""A simulated venue beside a test that blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer


@contextmanager
def simulated(market: str, port: int = 0, rate: float = 10.0) -> Iterator[SimulatedVenueServer]:
    """A venue in a thread of its own: the test itself blocks. `rate`: steps a second of each instrument."""
    ready, stop = threading.Event(), threading.Event()
    server = SimulatedVenueServer(DIALECTS[market](("BTC", "ETH")), rate=rate, levels=50, port=port)

    async def serve() -> None:
        async with server:
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        stop.set()
        thread.join(10)
