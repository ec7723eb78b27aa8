"""Pipelined publishing into JetStream with a bounded window.

nats-py's `publish_async` costs 18 µs a message and never resolves a future whose answer is an error. Here replies come
to one inbox, a token per message is a counter, and an answer is only parsed when it is an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from marketprism_sdk.errors import DeadlineExceeded, NotConnected, SdkError
from marketprism_sdk.nats.connection import NatsConnection, encode_headers
from marketprism_sdk.nats.jetstream import nobody_takes, parse_ack

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_RETRY_S = 0.25
_ANSWER_S = 5.0
_AWAY_S = 30.0  # nobody takes messages for so long: their owner has to know
_Sent = tuple[str, bytes, bytes | None]


class WindowPublisher:
    """At most `window` messages on their way; every one is acknowledged before `flush` returns.

    `headers` go on each message (a fence). An error of any message surfaces at the next call and ends the publisher:
    what was acknowledged is known, what was not must be sent again by its owner.

    What was refused without being decided (no room, no quorum, nobody there) goes again after a pause, in the order in
    which it was sent; nothing new is sent before it is taken.
    """

    def __init__(
        self, connection: NatsConnection, *, window: int = 256, headers: Mapping[str, str] | None = None
    ) -> None:
        self._connection = connection
        self._window = window
        self._headers = encode_headers(headers) if headers else None
        self._inbox = connection.inbox()
        self._waiting: dict[str, _Sent] = {}
        self._refusals: dict[int, _Sent] = {}  # by number, to be sent again
        self._next = 0
        self._error: SdkError | None = None
        self._changed = asyncio.Event()
        self._repair: asyncio.Task[None] | None = None
        self._forget: Callable[[], None] | None = None
        self._stop: Callable[[], Awaitable[None]] | None = None
        self.acknowledged: int = 0
        self.retried: int = 0

    def use(self, headers: Mapping[str, str]) -> None:
        """Other headers from now on."""
        self._headers = encode_headers(headers)

    @property
    def holds_up(self) -> bool:
        """Whether `publish` would wait now: too much is on its way, or what was refused goes again first."""
        return self._error is None and (len(self._waiting) >= self._window or self._repair is not None)

    async def open(self) -> None:
        """Start listening for receipts."""
        self._stop = await self._connection.subscribe(f"{self._inbox}.*", self._receipt)
        self._forget = self._connection.on_disconnect(self._disconnected)

    def _disconnected(self) -> None:
        if self._waiting or self._refusals:
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
        self._refused(message.data, int(token), sent)

    def _refused(self, data: bytes, number: int, sent: _Sent) -> None:
        if not data:  # nobody there: a server that restarts, a stream that elects its leader, or no stream at all
            self._send_again(number, sent)
            return
        try:
            parse_ack(data, sent[0])
        except SdkError as error:
            if error.retryable:
                self._send_again(number, sent)
            else:
                self._fail(error)

    def _send_again(self, number: int, sent: _Sent) -> None:
        self.retried += 1
        self._refusals[number] = sent
        if self._repair is None:
            self._repair = asyncio.get_running_loop().create_task(self._mend())

    async def _mend(self) -> None:
        """Send what was refused again: the first alone until it is taken, then the others in their order."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _AWAY_S
        try:
            while self._refusals and self._error is None:
                await asyncio.sleep(_RETRY_S)
                await self._answered()
                again = dict(sorted(self._refusals.items()))
                away = await nobody_takes(self._connection, next(iter(again.values()))[0])
                if not away.retryable or loop.time() > end:
                    raise away
                for count, (number, sent) in enumerate(again.items()):
                    if self._refusals.pop(number, None) is None:
                        continue
                    self._waiting[str(number)] = sent
                    await self._connection.publish(sent[0], sent[1], sent[2], f"{self._inbox}.{number}")
                    if not count:
                        await self._answered()
                        if number in self._refusals:
                            break
                else:
                    end = loop.time() + _AWAY_S
        except SdkError as error:
            self._fail(error)
        except TimeoutError:  # a stream that is deleted takes what is on its way with it and says nothing
            self._fail(DeadlineExceeded(f"{len(self._waiting)} messages not answered within {_ANSWER_S:g} s"))
        finally:
            self._repair = None
            self._changed.set()

    async def _answered(self) -> None:
        """Until nothing is on its way."""
        async with asyncio.timeout(_ANSWER_S):
            while self._waiting and self._error is None:
                self._changed.clear()
                await self._changed.wait()

    def _token(self) -> str:
        self._next += 1
        return str(self._next)

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send; waits only while the window is full.

        Raises:
            Fenced, StreamError, NotConnected: of this or an earlier message.
        """
        while self.holds_up:
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error
        raw = self._headers if headers is None else encode_headers(headers)
        token = self._token()
        self._waiting[token] = (subject, payload, raw)
        await self._connection.publish(subject, payload, raw, f"{self._inbox}.{token}")

    async def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until everything that was sent before is acknowledged; others may go on sending."""
        loop = asyncio.get_running_loop()
        deadline, last = loop.time() + timeout_s, self._next
        while (self._is_out(last) or self._repair is not None) and self._error is None:
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.001, deadline - loop.time())):
                    await self._changed.wait()
            except TimeoutError:
                raise DeadlineExceeded(f"{len(self._waiting)} messages not acknowledged in {timeout_s:g} s") from None
        if self._error is not None:
            raise self._error

    def _is_out(self, last: int) -> bool:
        """Whether a message up to this one is not acknowledged. They wait in the order of their numbers: what is sent
        again goes when nothing else is on its way."""
        return bool(self._waiting) and int(next(iter(self._waiting))) <= last

    async def close(self) -> None:
        """Stop listening; nothing is waited for."""
        if self._repair is not None:
            self._repair.cancel()
        if self._forget is not None:
            self._forget()
        if self._stop is not None:
            await self._stop()
