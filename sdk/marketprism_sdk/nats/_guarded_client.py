"""nats-py's client, which shows its credentials to nobody whom it cannot trust with them.

Of its own, nats-py speaks in clear to a `tls://` address whose server offers no TLS: whoever sits between could take
the password. It shows no credentials where the server does not ask for them, so that a program with a name of its own
would be taken for one without. And it gives up for good when the server ends a connection with an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import nats.errors
from nats.aio.client import Client

from marketprism_sdk.errors import InvalidSetting
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
    the certificates and credentials that its files hold then.
    """

    _transport: Any

    def __init__(self, access: NatsAccess) -> None:
        super().__init__()
        self._access = access
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
