"""What a client's questions and subscriptions go over: NATS inside, HTTP and a WebSocket outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeAlias

from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection

Stop: TypeAlias = Callable[[], Awaitable[None]]


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


class Payload(NamedTuple):
    """A message that expects no answer."""

    data: bytes
    reply: str = ""


Receive: TypeAlias = Callable[[Message], None]


class Line(Protocol):
    """An open connection to the platform, whichever door it goes through."""

    @property
    def connected(self) -> bool:
        """Whether messages can come now."""
        ...

    async def ask(self, question: bytes, *, timeout_s: float, plain: bool = False) -> bytes:
        """The read side's answer to an encoded question: an Arrow stream, or `plain` rows (`contracts.plain_table`).

        Raises:
            RemoteError: there is none, and why. NoResponders, DeadlineExceeded, NotConnected: nobody answered.
        """
        ...

    async def call(
        self, service: str, method: str, body: object, *, timeout_s: float, idempotent: bool = True
    ) -> object:
        """What a method of a service answers; one that is not `idempotent` is never asked twice. Raises as `ask`."""
        ...

    async def subscribe(self, subject: str, receive: Receive) -> Stop:
        """Call `receive` for each message of a subject, wildcards allowed, until what is returned is called."""
        ...

    async def publish(self, subject: str, data: bytes) -> None:
        """Send a message that nobody has to take."""
        ...

    async def close(self) -> None:
        """Leave; what is still asked ends with NotConnected."""
        ...


class NatsLine:
    """A connection to NATS."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._calls = RpcClient(NatsBus(connection))

    @classmethod
    async def open(cls, url: str, name: str, access: NatsAccess | None = None) -> NatsLine:
        """Raises NotConnected: no NATS server is there, or it refuses this user. InvalidSetting: a file is wrong."""
        return cls(await NatsConnection.open(url, name=name, access=access))

    @property
    def connected(self) -> bool:
        """Whether messages can come now."""
        return self._connection.connected

    async def ask(self, question: bytes, *, timeout_s: float, plain: bool = False) -> bytes:
        """The answer to a question, as `Line.ask` has it."""
        method = "rows" if plain else "arrow"
        return await self._calls.call_raw("query", method, question, timeout_s=timeout_s, idempotent=True)

    async def call(
        self, service: str, method: str, body: object, *, timeout_s: float, idempotent: bool = True
    ) -> object:
        """The answer of a method, as `Line.call` has it."""
        answer: object = await self._calls.call(service, method, body, timeout_s=timeout_s, idempotent=idempotent)
        return answer

    async def subscribe(self, subject: str, receive: Receive) -> Stop:
        """Receive what comes on a subject, as `Line.subscribe` has it."""
        return await self._connection.subscribe(subject, receive)

    async def publish(self, subject: str, data: bytes) -> None:
        """Send a message that nobody has to take."""
        await self._connection.publish(subject, data)

    async def close(self) -> None:
        """Leave; nothing more is received."""
        await self._connection.close()
