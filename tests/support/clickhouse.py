"""A real ClickHouse server for tests."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketprism_adapters.clickhouse.local_server import LocalClickHouse, LocalOptions
from marketprism_adapters.nats.local_server import choose_port


@contextmanager
def serve_clickhouse(folder: Path, *, native: bool = False, files_at: str = "") -> Iterator[tuple[str, str]]:
    """Its URL over HTTP, and that of its native port where that is wanted, empty otherwise."""
    options = LocalOptions(folder, choose_port(0), choose_port(0), native=native, files_at=files_at)
    started: queue.Queue[tuple[str, str] | BaseException] = queue.Queue()
    ended = threading.Event()

    async def serve() -> None:
        try:
            server = await LocalClickHouse.start(options)
        except BaseException as error:
            started.put(error)
            raise
        started.put((server.url, server.native_url if native else ""))
        await asyncio.to_thread(ended.wait)
        await server.stop()

    # A thread of its own, because it is asked for inside running loops; it lives as long as the server.
    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="clickhouse")
    thread.start()
    urls = started.get(timeout=900)
    if isinstance(urls, BaseException):
        raise urls
    try:
        yield urls
    finally:
        ended.set()
        thread.join()
