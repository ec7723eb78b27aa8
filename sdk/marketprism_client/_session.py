"""One connection, and the questions that go over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.questions import Question, decode_answer, encode_question
from marketprism_client._failures import QueryFailed, query_failures
from marketprism_client._times import Time, nanoseconds, zone_of
from marketprism_sdk.lazy import loaded
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = "marketprism-client"
_SCHEMES = ("nats", "tls", "ws", "wss")  # those that nats-py connects to


class Message(Protocol):
    """What comes on a subject."""

    @property
    def data(self) -> bytes:
        """The payload as it was published."""
        ...

    @property
    def reply(self) -> str:
        """The subject that an answer is expected on, empty where none is."""
        ...


class Session:
    """What the parts of a client share: where it is connected, how long it waits, in which zone it thinks."""

    def __init__(self, url: str, timeout_s: float, prefix: str, tz: str) -> None:
        zone_of(tz)
        self.url = url
        self.timeout_s = timeout_s
        self.prefix = prefix
        self.tz = tz
        self.dropped = 0
        self.malformed = 0
        self._connection: NatsConnection | None = None
        self._calls: RpcClient | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            NotConnected: no NATS server is there. QueryFailed: what is given is no URL of one.
        """
        for part in str(self.url).split(","):
            scheme, given, _ = part.strip().partition("://")
            if given and scheme not in _SCHEMES:
                raise QueryFailed(
                    Code.INVALID_PARAMETER, f"url: expected nats://host:port or tls://host:port, was {scheme}://…"
                )
        self._connection = await NatsConnection.open(self.url, name=_NAME)
        self._calls = RpcClient(NatsBus(self._connection))

    async def close(self) -> None:
        """Leave; what is still asked ends with NotConnected."""
        connection, self._connection, self._calls = self._connection, None, None
        if connection is not None:
            await connection.close()

    @property
    def connection(self) -> NatsConnection:
        """The connection, which is there between `open` and `close`."""
        if self._connection is None:
            raise RuntimeError("MarketClient: expected `async with MarketClient(url) as market`")
        return self._connection

    @property
    def calls(self) -> RpcClient:
        """Calls of services, as long as there is a connection."""
        if self._calls is None:
            raise RuntimeError("MarketClient: expected `async with MarketClient(url) as market`")
        return self._calls

    async def ask(self, question: Question, *, timeout_s: float | None = None) -> pa.Table:
        """Answer of a question as it is sent.

        Raises:
            QueryFailed: the question is wrong, or the read side cannot answer it now. NoResponders, DeadlineExceeded,
            NotConnected: nobody answered.
        """
        calls = self.calls
        await loaded("pyarrow")
        with query_failures():
            data = await calls.call_raw(
                "query", "arrow", encode_question(question), timeout_s=timeout_s or self.timeout_s, idempotent=True
            )
            return decode_answer(data)

    async def call(self, method: str, body: object) -> object:
        """What a method of the query service answers; raises as `ask`."""
        with query_failures():
            return await self.calls.call("query", method, body, timeout_s=self.timeout_s, idempotent=True)

    def span(self, start: Time, end: Time) -> tuple[int | None, int | None]:
        """The instants of a range, as `time`.

        Raises:
            QueryFailed: one is not a time, or the end lies before the start.
        """
        ts_from, ts_to = self.time(start, "start"), self.time(end, "end")
        if ts_from is not None and ts_to is not None and ts_to < ts_from:
            raise QueryFailed(Code.INVALID_PARAMETER, f"end: expected at or after start ({start}), was {end}"[:200])
        return ts_from, ts_to

    def time(self, value: Time, name: str) -> int | None:
        """Nanoseconds UTC of a time that a user gave; without a zone it is in the client's.

        Raises:
            QueryFailed: not a time.
        """
        return nanoseconds(value, name, self.tz)
