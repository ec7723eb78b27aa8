"""A client of a simulated venue."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from aiohttp import web

from marketprism_adapters.venues.kit.dialect import Connection


class Session:
    """One connected client."""

    def __init__(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        self.socket = socket
        self.connection = connection
        self.streams: set[str] = set()
        self.outgoing: deque[str | bytes] = deque()
        self.filled = asyncio.Event()
        self.mute = False  # takes subscriptions, sends nothing of them
        self.silent_until = self.slow_until = 0.0
        self.pause_s = 0.15  # while it is slow, before each burst

    def send(self, frame: str | bytes) -> None:
        """Behind what waits already."""
        self.outgoing.append(frame)
        self.filled.set()

    def push(self, frame: str) -> None:
        """A frame of a stream, as the connection has it."""
        self.send(self.connection.framed(frame))

    def abort(self) -> None:
        """Break the connection off."""
        transport = self.socket._req.transport if self.socket._req is not None else None
        if transport is not None:
            transport.abort()

    async def write(self) -> None:
        """Until the connection ends."""
        while not self.socket.closed:
            await self.filled.wait()
            self.filled.clear()
            if time.monotonic() < self.slow_until:
                await asyncio.sleep(self.pause_s)
            while self.outgoing and not self.socket.closed:
                frame = self.outgoing.popleft()
                if time.monotonic() < self.silent_until:
                    continue
                try:
                    if isinstance(frame, str):
                        await self.socket.send_str(frame)
                    else:
                        await self.socket.send_bytes(frame)
                except (ConnectionError, RuntimeError):
                    return
