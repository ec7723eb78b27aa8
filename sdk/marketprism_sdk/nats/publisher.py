"""Pipelined publishing into JetStream with a bounded window.

nats-py's `publish_async` costs 18 µs a message and never resolves a future whose answer is an error. Here replies come
to one inbox, a token per message is a counter, and an answer is only parsed when it is an error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from nats.aio.msg import Msg

from marketprism_sdk.errors import DeadlineExceeded, Fenced, NotConnected, SdkError, StreamError
from marketprism_sdk.nats.connection import NatsConnection, encode_headers
from marketprism_sdk.nats.jetstream import parse_ack

_RETRY_S = 0.25


class WindowPublisher:
    """At most `window` messages on their way; every one is acknowledged before `flush` returns.

    `headers` go on each message (a fence). An error of any message surfaces at the next call and ends the publisher:
    what was acknowledged is known, what was not must be sent again by its owner.
    """

    def __init__(
        self, connection: NatsConnection, *, window: int = 256, headers: Mapping[str, str] | None = None
    ) -> None:
        self._connection = connection
        self._window = window
        self._headers = encode_headers(headers) if headers else None
        self._inbox = connection.inbox()
        self._waiting: dict[str, tuple[str, bytes, bytes | None]] = {}
        self._next = 0
        self._error: SdkError | None = None
        self._changed = asyncio.Event()
        self._retries: set[asyncio.Task[None]] = set()
        self.acknowledged = 0
        self.retried = 0

    def use(self, headers: Mapping[str, str]) -> None:
        """Other headers from now on."""
        self._headers = encode_headers(headers)

    async def open(self) -> None:
        """Start listening for receipts."""
        self._stop = await self._connection.subscribe(f"{self._inbox}.*", self._receipt)
        self._forget = self._connection.on_disconnect(self._disconnected)

    def _disconnected(self) -> None:
        if self._waiting:
            self._fail(NotConnected("NATS went away while receipts were outstanding"))

    def _fail(self, error: SdkError) -> None:
        self._error = self._error or error
        self._changed.set()

    def _receipt(self, message: Msg) -> None:
        token = message.subject.rsplit(".", 1)[1]
        sent = self._waiting.pop(token, None)
        if sent is None:
            return
        self._changed.set()
        if b'"error"' not in message.data and message.data:
            self.acknowledged += 1
            return
        self._refused(message, sent)

    def _refused(self, message: Msg, sent: tuple[str, bytes, bytes | None]) -> None:
        if not message.data:
            self._fail(StreamError(f"publish {sent[0]}: expected a stream with this subject, there is none"))
            return
        try:
            parse_ack(message.data, sent[0])
        except (Fenced, StreamError) as error:
            if error.retryable:
                self._retry_later(sent)
            else:
                self._fail(error)
        except json.JSONDecodeError as error:
            self._fail(StreamError(f"publish {sent[0]}: expected a receipt: {error}"))

    def _retry_later(self, sent: tuple[str, bytes, bytes | None]) -> None:
        """The stream has no room: the same message again after a pause, inside the window."""
        self.retried += 1
        token = self._token()
        self._waiting[token] = sent

        async def again() -> None:
            await asyncio.sleep(_RETRY_S)
            try:
                await self._connection.publish(sent[0], sent[1], sent[2], f"{self._inbox}.{token}")
            except NotConnected as error:
                self._fail(error)

        task = asyncio.get_running_loop().create_task(again())
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)

    def _token(self) -> str:
        self._next += 1
        return str(self._next)

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send; waits only while the window is full.

        Raises:
            Fenced, StreamError, NotConnected: of this or an earlier message.
        """
        while len(self._waiting) >= self._window and self._error is None:
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error
        raw = self._headers if headers is None else encode_headers(headers)
        token = self._token()
        self._waiting[token] = (subject, payload, raw)
        await self._connection.publish(subject, payload, raw, f"{self._inbox}.{token}")

    async def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until everything is acknowledged."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while self._waiting and self._error is None:
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.001, deadline - loop.time())):
                    await self._changed.wait()
            except TimeoutError:
                raise DeadlineExceeded(f"{len(self._waiting)} messages not acknowledged in {timeout_s:g} s") from None
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Stop listening; nothing is waited for."""
        for task in self._retries:
            task.cancel()
        self._forget()
        await self._stop()
