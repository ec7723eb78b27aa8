"""A TCP proxy that can be cut: what goes through it stops, without anybody being told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl


class FaultyProxy:
    """Stands between a client and a server.

    `cut()` lets both sides believe that they are connected while nothing passes; `heal()` delivers what piled up, late.
    `drop()` closes every connection. `delay_s` holds each piece back.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self.delay_s: float = 0.0
        self.port: int = 0

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port of the loopback, any free one for 0; with `tls` the client's side speaks TLS."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Nothing passes any more."""
        self._flowing.clear()

    def heal(self) -> None:
        """Everything passes again, what piled up first."""
        self._flowing.set()

    def drop(self) -> None:
        """Close every connection; new ones are let in."""
        for writer in list(self._writers):
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        accepting = asyncio.current_task()
        if accepting is not None:
            self._tasks.add(accepting)
        try:
            await self._flowing.wait()
            upstream, downstream = await asyncio.open_connection(*self._target)
        except (OSError, asyncio.CancelledError):  # cancelled by `stop`: nobody else waits for this task
            self._writers.discard(writer)
            writer.close()
            return
        finally:
            if accepting is not None:
                self._tasks.discard(accepting)
        for source, sink in ((reader, downstream), (upstream, writer)):
            self._writers.add(sink)
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65_536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._flowing.wait()
                sink.write(piece)
                await sink.drain()
        self._writers.discard(sink)
        sink.close()

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        writers = list(self._writers)
        for writer in writers:
            writer.transport.abort()  # what waits for a peer that is frozen waits for ever
        # Their sockets are closed by the loop's next turn, which a loop that ends now would not have.
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
