"""One web socket: whole messages out, fragments joined, the reason of its end told once."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from functools import cache

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from marketprism_application.errors import SourceError

MAX_FRAME = 8 << 20
_HANDSHAKE_S = 10.0
OnFrame = Callable[[bytes], None]
OnClosed = Callable[[str], None]


class Socket(WSListener):
    """Text and binary messages to `on_frame`, as they arrive; `on_closed(reason)` once.

    `pinged_at` is when the venue last sent a ping or a pong, seconds of the monotonic clock.
    """

    def __init__(self, on_frame: OnFrame, on_closed: OnClosed) -> None:
        super().__init__()
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._reason = ""
        self._end_reported = False
        self.pinged_at = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame of the wire."""
        of = frame.msg_type
        if of == WSMsgType.CLOSE:
            code, close_reason = frame.get_close_code(), frame.get_close_reason() or ""
            self._reason = f"closed by the venue: {code} {close_reason}".strip()
            transport.send_close(code)
            transport.disconnect()
            return
        if of in (WSMsgType.PING, WSMsgType.PONG):
            self.pinged_at = time.monotonic()
            return
        if frame.fin and not self._parts:
            self._on_frame(frame.get_payload_as_bytes())
            return
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > MAX_FRAME:
            self.close(f"a message of more than {MAX_FRAME} bytes")
        elif frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self._on_frame(whole)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 (picows' form)
        """The connection is gone."""
        if not self._end_reported:
            self._end_reported = True
            self._on_closed(self._reason or "connection lost")

    def send(self, message: bytes) -> None:
        """Send a text message; nothing happens on a connection that has ended."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, message)

    def close(self, reason: str) -> None:
        """End it from this side."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.disconnect()


@cache
def _trusted() -> ssl.SSLContext:
    """Whom this machine trusts: reading it takes tens of milliseconds, in which nothing else would run."""
    return ssl.create_default_context()


async def open_socket(url: str, on_frame: OnFrame, on_closed: OnClosed) -> Socket:
    """Connect. The venue's pings are answered with their payload.

    Raises:
        SourceError: no connection, or no web socket there; retryable.
    """
    socket = Socket(on_frame, on_closed)
    try:
        await ws_connect(
            lambda: socket,
            url,
            websocket_handshake_timeout=_HANDSHAKE_S,
            max_frame_size=MAX_FRAME,
            enable_auto_pong=True,
            enable_auto_ping=False,
            use_aiofastnet=False,
            ssl_context=_trusted() if url.startswith("wss") else None,
        )
    except (OSError, WSError, TimeoutError) as error:
        raise SourceError(f"{url.partition('?')[0]}: expected a web socket: {error!r}", retryable=True) from error
    return socket
