"""What a connection is about to send: gathered while the loop works, written when it next runs, or at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nats.aio.client import Client


class Outgoing:
    """Writes what the client holds. nats-py's own way is a future, a queue and a task for it, and is left to what must
    wait: a socket that takes no more, or one that is no plain or TLS socket.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = False
        self._socket: asyncio.WriteTransport | None = None  # the transport that was made ready

    def soon(self) -> None:
        """Write when the loop next runs, with what comes until then."""
        if not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._asked = False
        self.now()

    def now(self) -> None:
        """Write what is here; where the socket has not taken what came before, the client's own task does."""
        client = self._client
        if not client._pending_data_size or not client.is_connected:
            return
        socket = self._ready()
        if socket is None or socket.get_write_buffer_size():
            if client._flush_queue is not None and client._flush_queue.empty():
                client._flush_queue.put_nowait(asyncio.get_running_loop().create_future())
            return
        pending, client._pending = client._pending, []
        client._pending_data_size = 0
        socket.writelines(pending)

    def _ready(self) -> asyncio.WriteTransport | None:
        """The transport of the connection as it is now, one that sends what it is given and does not wait for the loop
        to be done with its round; None where it is closed, or another kind."""
        writer = getattr(self._client._transport, "_io_writer", None)
        if writer is None or writer.is_closing():
            return None
        if writer.transport is not self._socket:
            self._socket = writer.transport
            writer.transport.set_write_buffer_limits(high=0)
        return self._socket


__all__ = ["Outgoing"]
