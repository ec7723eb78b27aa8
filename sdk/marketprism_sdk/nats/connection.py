"""One connection to NATS.

nats-py keeps the socket, the protocol and reconnecting. Three things are done around it: publishing appends finished
protocol bytes (its own `publish` with headers costs several times as much), a subscription calls back directly instead
of through a queue and a task per message, and nothing is published while disconnected, because nats-py would buffer it
and send it after the reconnect, when its writer may have lost what it wrote to.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from marketprism_sdk.errors import (
    DeadlineExceeded,
    InvalidSubject,
    NoResponders,
    NotConnected,
    NotPermitted,
    PayloadTooLarge,
    reason_of,
)
from marketprism_sdk.nats._outgoing import Outgoing
from marketprism_sdk.nats._reaching import each_s, own_among, until_listening, within
from marketprism_sdk.nats._subscriptions import end, hand_on
from marketprism_sdk.nats._traffic import Traffic
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.subjects import check_subject
from marketprism_sdk.observability.logger import Logger, get_logger
from marketprism_sdk.urls import Url, hide

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

log: Logger = get_logger(__name__)

Headers = Mapping[str, str] | bytes | None
OnMessage = Callable[["Msg"], None]


# Permissions Violation for Publish to "subject", Permissions Violation for Subscription to "subject"
_VIOLATION = re.compile(r'permissions violation for (\w+) to "([^"]+)"', re.IGNORECASE)

PING_S = 1.0
_TELL_S = 1.0


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Wire form, for headers that are sent often.

    Raises:
        InvalidSubject: a name or a value with a line break, which would begin a header of its own.
    """
    for name, value in headers.items():
        if any(sign in text for text in (name, value) for sign in "\r\n\0") or ":" in name:
            raise InvalidSubject(f"header: expected a name and a value in one line, was {f'{name}: {value}'[:80]!r}")
    return b"NATS/1.0\r\n" + b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items()) + b"\r\n"


def _resolve(future: asyncio.Future[Msg | None], reply: Msg | None) -> None:
    if not future.done():
        future.set_result(reply)


def _added(callbacks: list[Callable[[], None]], callback: Callable[[], None]) -> Callable[[], None]:
    """Add a callback; returns the way to take it out, which may be gone more than once."""
    callbacks.append(callback)

    def forget() -> None:
        if callback in callbacks:
            callbacks.remove(callback)

    return forget


class NatsConnection:
    """Open with `await NatsConnection.open(url, name=…)`, close with `await close()`."""

    def __init__(self, client: Client, url: str, access: NatsAccess | None = None) -> None:
        self.nc = client
        self.url: Url = Url(url)
        self.access: NatsAccess = access or NatsAccess()
        self.traffic: Traffic = Traffic(client)
        self._outgoing = Outgoing(client)
        self._met: Exception | None = None
        self._closing = True  # until the first connection is made there is nothing to lose
        self._on_reconnect: list[Callable[[], None]] = []
        self._on_disconnect: list[Callable[[], None]] = []
        self._inbox = ""
        self._asked = 0
        self._replies: dict[str, asyncio.Future[Msg | None]] = {}
        self.not_permitted: int = 0  # what the server has refused to this user since the beginning
        self._tell_again_at = 0.0
        self._refused = False
        self._asked_on: dict[str, str] = {}  # by the same token: the subject of a question that waits

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        name: str = "marketprism",
        access: NatsAccess | None = None,
        connect_timeout_s: float = 5.0,
        ping_interval_s: float = PING_S,
    ) -> NatsConnection:
        """Connect; `access` says who the program is, where the URL does not. Of several servers one of this machine is
        preferred, which falls when the program does. A connection is dead after three pings that nobody answers.

        Raises:
            NotConnected: nothing listens there, what listens is no NATS server, or it refuses this user; the text
            names the URL. InvalidSetting: the files of `access` cannot be used.
        """
        import nats.errors  # noqa: PLC0415 (nats-py brings aiohttp along: only who connects pays for them)

        from marketprism_sdk.nats._guarded_client import GuardedClient  # noqa: PLC0415

        access = access or NatsAccess()
        options = await asyncio.to_thread(access.options)
        if access.ca or access.cert:
            await asyncio.to_thread(access.tls)
        servers = [part.strip() for part in Url(url).reveal().split(",")]
        own = await asyncio.to_thread(own_among, servers) if len(servers) > 1 else ()
        await until_listening(own)
        client = GuardedClient(access, own)
        connection = cls(client, url, access)
        try:
            await within(
                client.connect(
                    servers=servers,
                    name=name,
                    allow_reconnect=True,
                    connect_timeout=each_s(connect_timeout_s, len(servers)),
                    reconnect_time_wait=0.05,
                    max_reconnect_attempts=-1,
                    ping_interval=ping_interval_s,
                    max_outstanding_pings=2,
                    disconnected_cb=connection._disconnected,
                    reconnected_cb=connection._reconnected,
                    error_cb=connection._error,
                    **options,
                ),
                connect_timeout_s,
            )
        except (OSError, TimeoutError, nats.errors.Error, ValueError) as error:
            with contextlib.suppress(Exception):
                await client.close()
            # The client tries again until the time is over: what it met on the way says more than that.
            reason = hide(reason_of(connection._met or error))
            raise NotConnected(f"NATS at {connection.url}: expected a NATS server, {reason}") from error
        connection._closing = False
        connection._inbox = connection.inbox()
        await connection.subscribe(f"{connection._inbox}.*", connection._replied)
        return connection

    async def another(self, name: str, ping_interval_s: float = PING_S) -> NatsConnection:
        """A second connection to the same place as the same user, for what must not wait behind this one's messages.

        Raises:
            NotConnected: as `open`.
        """
        return await NatsConnection.open(self.url, name=name, access=self.access, ping_interval_s=ping_interval_s)

    async def _disconnected(self) -> None:
        if not self._closing:
            log.warning("nats.disconnected", url=str(self.url))
            self.traffic.lost()
        # What the client still holds would be sent after the reconnect, behind what was lost on the way: a hole.
        self.nc._pending = []
        self.nc._pending_data_size = 0
        for future in list(self._replies.values()):
            if not future.done():
                error = NotConnected(f"NATS at {self.url} went away before it answered")
                error.sent = True
                future.set_exception(error)
        for callback in list(self._on_disconnect):
            callback()

    async def _reconnected(self) -> None:
        log.info("nats.reconnected", url=str(self.url))
        self._refused = False
        self.traffic.back()
        for callback in list(self._on_reconnect):
            callback()

    async def _error(self, error: Exception) -> None:
        if "authorization" not in str(self._met).lower():  # a server that refuses says it again only when it is asked
            self._met = error
        if not self._closing and not self._refused and "authorization" in str(error).lower():
            self._refused = True  # once an outage: it is tried again, many times a second
            log.warning("nats.refused", url=str(self.url), user=self.access.user, error=reason_of(error))
        if (found := _VIOLATION.search(str(error))) is not None:
            self._not_permitted(*found.groups())
            return
        # Failed attempts to reconnect come by the dozen a second; going away was said once already.
        log.debug("nats.client_error", error=repr(error))

    def _not_permitted(self, what: str, subject: str) -> None:
        """Who asked on the subject need not wait for an answer. nats-py hands the subject on in small letters."""
        self.not_permitted += 1
        asked = {token: name for token, name in self._asked_on.items() if name.lower() == subject.lower()}
        subject = next(iter(asked.values()), subject)
        for token in asked:
            future = self._replies.get(token)
            if future is not None and not future.done():
                future.set_exception(NotPermitted(f"{subject}: NATS at {self.url} does not let this user ask there"))
        # Whoever asks a service may name any subject for the answer: that must not fill the log.
        if (now := time.monotonic()) < self._tell_again_at:
            return
        self._tell_again_at = now + _TELL_S
        user, url = self.access.user, str(self.url)
        log.error("nats.not_permitted", what=what, subject=subject, user=user, url=url, count=self.not_permitted)

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each reconnect; returns the way to stop that."""
        return _added(self._on_reconnect, callback)

    def on_disconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when the connection is lost; returns the way to stop that."""
        return _added(self._on_disconnect, callback)

    @property
    def in_cluster(self) -> bool:
        """Whether the server is one of several: what they keep for a connection may end without it."""
        return bool(self.nc._server_info.get("cluster"))

    @property
    def connected(self) -> bool:
        """Whether messages can be sent now."""
        return bool(self.nc.is_connected)

    @property
    def max_payload(self) -> int:
        """Bytes that the server takes in one message."""
        return int(self.nc.max_payload)

    async def wait_connected(self) -> None:
        """Until messages can be sent."""
        while not self.connected:  # noqa: ASYNC110 (the client has no event for it)
            await asyncio.sleep(0.05)

    async def publish(self, subject: str, payload: bytes, headers: Headers = None, reply: str = "") -> None:
        """Send without waiting for an answer; bytes leave when the loop next runs.

        Raises:
            NotConnected: the connection is away. PayloadTooLarge: the server takes less in one message.
            InvalidSubject: a subject or header that would break into the protocol.
        """
        nc = self.nc
        check_subject(subject)
        if not nc.is_connected:
            raise NotConnected(f"NATS at {self.url} is away")
        if len(payload) > nc._max_payload:
            # The server would answer by closing the connection, and with it everything that is on its way.
            text = f"{subject}: expected at most {nc._max_payload} bytes, the max_payload of NATS, was {len(payload)}"
            raise PayloadTooLarge(text)
        if headers is None:
            head = f"PUB {subject} {reply} {len(payload)}\r\n" if reply else f"PUB {subject} {len(payload)}\r\n"
            command = b"".join((head.encode(), payload, b"\r\n"))
        else:
            raw = headers if isinstance(headers, bytes) else encode_headers(headers)
            sizes = f"{len(raw)} {len(raw) + len(payload)}\r\n"
            head = f"HPUB {subject} {reply} {sizes}" if reply else f"HPUB {subject} {sizes}"
            command = b"".join((head.encode(), raw, payload, b"\r\n"))
        await self.send((command,), len(payload))

    async def send(self, commands: Sequence[bytes], payload_bytes: int) -> None:
        """Send whole commands of the protocol, one a message, as `publish` does; who makes them has checked subjects
        and sizes. `payload_bytes` is what they carry together.

        Raises:
            NotConnected: the connection is away.
        """
        nc = self.nc
        if not nc.is_connected:
            raise NotConnected(f"NATS at {self.url} is away")
        self.traffic.sent(payload_bytes, len(commands))
        nc._pending += commands
        nc._pending_data_size += sum(map(len, commands))
        if nc._pending_data_size > nc._max_pending_size:
            await nc._flush_pending(force_flush=True)
        else:
            self._outgoing.soon()

    def push(self) -> None:
        """Write what was published so far at once, not when the loop next runs: whoever goes on working without giving
        way calls it where somebody waits for what is out."""
        self._outgoing.now()

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until the server has seen everything sent so far."""
        import nats.errors  # noqa: PLC0415 (see open)

        try:
            await self.nc.flush(timeout=max(1, int(timeout_s)))
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise NotConnected(f"NATS at {self.url}: {reason_of(error)}") from error

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Headers = None, again_s: float | None = None
    ) -> Msg:
        """Ask and wait. Replies share one inbox; when the connection goes, nobody waits for its timeout. `again_s`: a
        question that may be asked twice goes out again as often, for whoever came to be there to answer it.

        Raises:
            NoResponders, DeadlineExceeded, NotConnected, NotPermitted, PayloadTooLarge, InvalidSubject.
        """
        if not self.connected:
            raise NotConnected(f"NATS at {self.url} is away")
        loop = asyncio.get_running_loop()
        self._asked += 1
        token = str(self._asked)
        future: asyncio.Future[Msg | None] = loop.create_future()
        self._replies[token] = future
        self._asked_on[token] = subject
        expiry = loop.call_later(timeout_s, _resolve, future, None)
        try:
            await self.publish(subject, payload, headers, f"{self._inbox}.{token}")
            while again_s is not None and not (await asyncio.wait([future], timeout=again_s))[0]:
                await self.publish(subject, payload, headers, f"{self._inbox}.{token}")
            reply = await future
        finally:
            expiry.cancel()
            if future.done() and not future.cancelled():
                future.exception()  # who was cancelled meanwhile does not read it
            self._replies.pop(token, None)
            self._asked_on.pop(token, None)
        if reply is None:
            raise DeadlineExceeded(f"no answer on {subject} within {timeout_s:.3g} s")
        if not reply.data and reply.headers and reply.headers.get("Status") == "503":
            raise NoResponders(f"nobody answers on {subject}")
        return reply

    def _replied(self, message: Msg) -> None:
        future = self._replies.get(message.subject.rsplit(".", 1)[1])
        if future is not None:
            _resolve(future, message)

    async def subscribe(self, subject: str, callback: OnMessage, queue: str = "") -> Callable[[], Awaitable[None]]:
        """Call `callback` (plain, quick, not a coroutine) for each message; returns the way to stop.

        Raises:
            NotConnected, InvalidSubject.
        """
        import nats.errors  # noqa: PLC0415 (see open)

        check_subject(subject)
        if queue:
            check_subject(queue)
        try:
            subscription: Any = await self.nc.subscribe(subject, queue=queue, pending_bytes_limit=0)
        except (nats.errors.Error, OSError) as error:
            raise NotConnected(f"NATS at {self.url}: {reason_of(error)}") from error
        hand_on(subscription, callback)
        return partial(end, subscription)

    def inbox(self) -> str:
        """A fresh reply subject of this connection."""
        return str(self.nc.new_inbox())

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        import nats.errors  # noqa: PLC0415 (see open)

        self._closing = True
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError, NotConnected):
            if self.connected:
                await self.flush(1)
        with contextlib.suppress(nats.errors.Error, OSError):
            await self.nc.close()
