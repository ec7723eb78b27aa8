"""nats-py's client, which shows its credentials to nobody whom it cannot trust with them.

Of its own, nats-py speaks in clear to a `tls://` address whose server offers no TLS: whoever sits between could take
the password. It shows no credentials where the server does not ask for them, so that a program with a name of its own
would be taken for one without. It gives up for good when the server ends a connection with an error. And it takes a
connection for dead whose answers stand in line behind what is long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

import nats.errors
from nats.aio.client import Client

from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.nats._reaching import Signs, rank
from marketprism_sdk.nats.access import NatsAccess

_NOT_PERMITTED = "permissions violation"
_CLOSED_S = 1.0


async def _awhile(wait_closed: Callable[[], Awaitable[None]]) -> None:
    """Over TLS the end of a connection may never be told."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSED_S):
            await wait_closed()


class GuardedClient(Client):  # type: ignore[misc]  # to mypy the client is Any
    """A client that refuses what it cannot trust, before it says who it is.

    What the server says against it ends the connection and not the client: it comes again, as after an outage, with
    the certificates and credentials that its files hold then. `own` are the servers of this machine.
    """

    _transport: Any

    def __init__(self, access: NatsAccess, own: Collection[tuple[str, int]] = ()) -> None:
        super().__init__()
        self._access = access
        self._own = frozenset(own)
        self._context: ssl.SSLContext | None = None
        self._is_left = False

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """From the files as they were when this connection began."""
        return self._context or self._access.tls()

    async def close(self) -> None:
        """Leave, and try no more to come back."""
        self._is_left = True
        await super().close()

    async def _select_next_server(self) -> None:
        now = time.monotonic()
        self._server_pool.sort(
            key=lambda each: rank(each.last_attempt, now, own=(each.uri.hostname, each.uri.port) in self._own)
        )
        await super()._select_next_server()

    async def _process_op_err(self, error: Exception) -> None:
        if not (self.is_closed or self.is_reconnecting):
            if self._current_server is not None:
                self._current_server.last_attempt = time.monotonic()  # whatever else is there goes before it
            self._drop()
        await super()._process_op_err(error)

    async def _ping_interval(self) -> None:
        """Ask whether the server is there; dead is a connection on which nothing has moved while several questions were
        out. Answers stand in line with what else is sent: a link that is slow, and busy, is alive.
        """
        watch = Signs()
        while True:
            await asyncio.sleep(self.options["ping_interval"])
            if not self.is_connected:
                continue
            if watch.moved(self.stats["in_msgs"], self._unwritten()):
                self._pings_outstanding = 0
            self._pings_outstanding += 1
            try:
                if self._pings_outstanding > self.options["max_outstanding_pings"]:
                    await self._process_op_err(nats.errors.StaleConnectionError())
                    return
                await self._send_ping()
            except (RuntimeError, AttributeError):  # the transport went meanwhile, and with it this task
                return

    def _unwritten(self) -> int:
        """Bytes that the socket has not taken."""
        writer = getattr(self._transport, "_io_writer", None)
        return 0 if writer is None else int(writer.transport.get_write_buffer_size())

    def _drop(self) -> None:
        """What the socket still holds would be waited for by its end, and nobody takes it who does not answer."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def _connect_to_server(self, server: object) -> None:
        if self._is_left:
            # `close` has cancelled the attempts to come back. One that is refused at that very moment loses the
            # cancellation (asyncio.wait_for of Python 3.11), and there would be no end of them.
            raise asyncio.CancelledError
        await super()._connect_to_server(server)

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except BaseException:
            if self._transport is not None:
                # nats-py opens the next one over it, and the socket would stay open; nor would the end of one be told
                # whose handshake has failed, which nats-py waits for.
                self._transport.close()
                self._transport = None
            raise
        if self._transport is not None:
            self._transport.wait_closed = partial(_awhile, self._transport.wait_closed)

    async def _process_info(self, info: dict[str, object], initial_connection: bool = False) -> None:
        await super()._process_info(info, initial_connection)
        server = self._current_server
        if not initial_connection or server is None:
            return
        if server.uri.scheme == "tls" and not info.get("tls_required"):
            raise nats.errors.Error("expected TLS, as tls:// says, was a server that offers none")
        try:
            if info.get("tls_required"):
                self._context = await asyncio.to_thread(self._access.tls)
            now = await asyncio.to_thread(self._access.options)
        except InvalidSetting as error:  # tried again like any other fault: the file may be there a moment later
            raise nats.errors.Error(str(error)) from error
        if "password" in now:
            self.options["password"] = now["password"]
        if "user_credentials" in now:
            self._user_credentials = now["user_credentials"]
            self._setup_nkeys_connect()
        if self._access.named or server.uri.username is not None:
            self._auth_configured = True

    async def _process_err(self, err_msg: str) -> None:
        if self.is_connected and _NOT_PERMITTED not in err_msg.lower():
            await self._process_op_err(nats.errors.Error(f"nats: {err_msg}"))
            return
        await super()._process_err(err_msg)


__all__ = ["GuardedClient"]
