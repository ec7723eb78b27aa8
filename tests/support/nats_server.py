"""A nats-server of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer


@contextmanager
def running_nats(folder: Path) -> Iterator[str]:
    """The URL of a real nats-server with JetStream, from its wheel, on a free port."""
    server = asyncio.run(EmbeddedServer.start(EmbeddedOptions(folder, port=0)))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


__all__ = ["running_nats"]
