"""A network of TCP connections: bytes of one direction come late and in order; links are cut, mended and reset."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from tests.simulation.loop import Process, SimulatedLoop, current_process

_QUICK_S, _SLOW_S = 20e-6, 2e-3


class Accepted(Protocol):
    """The server's side of a connection."""

    def received(self, data: bytes) -> None:
        """Bytes that have come."""
        ...

    def lost(self) -> None:
        """The other side is gone."""
        ...


class Listener(Protocol):
    """Something that takes connections."""

    name: str
    listening: bool

    def accept(self, link: Link) -> Accepted:
        """A connection was made."""
        ...


class Link:
    """One connection. `host_lost`: the client's machine went without a word, the server is not told."""

    def __init__(self, network: Network, process: Process, listener: Listener, transport: ClientTransport) -> None:
        self.network, self.process, self.listener, self.transport = network, process, listener, transport
        self.open = True
        self.host_lost = False
        self.served: Accepted | None = None
        self._due = {"in": 0.0, "out": 0.0}
        self._sent = 0
        self._held: list[tuple[int, str, bytes]] = []  # by the number in which it was sent: TCP keeps its order

    @property
    def is_cut(self) -> bool:
        return (self.process.name, self.listener.name) in self.network.cuts

    def carry(self, way: str, data: bytes) -> None:
        """Send bytes `in` to the server or `out` to the client."""
        if not self.open:
            return
        self._sent += 1
        if self.is_cut or self.host_lost:
            self._held.append((self._sent, way, data))
            return
        loop = self.network.loop
        self._due[way] = max(self._due[way], loop.now_s + self.network.delay_s())
        owner = loop.world if way == "in" else self.process
        loop.call_at(self._due[way], self._arrive, self._sent, way, data, context=self.network.contexts[owner])

    def _arrive(self, number: int, way: str, data: bytes) -> None:
        if not self.open:
            return
        if self.is_cut or self.host_lost:
            self._held.append((number, way, data))
        elif way == "in":
            if self.served is not None:
                self.served.received(data)
        else:
            self.transport.deliver(data)

    def mended(self) -> None:
        """What was under way while the link was cut comes now, in its order."""
        held, self._held = sorted(self._held), []
        for _, way, data in held:
            self.carry(way, data)

    def end(self, *, by_client: bool = False) -> None:
        """The connection is no more; both sides hear of it, the other one a moment later."""
        if not self.open:
            return
        self.open = False
        loop = self.network.loop
        self.network.links.pop(self, None)
        if self.served is not None and not self.host_lost:
            loop.call_later(self.network.delay_s(), self.served.lost, context=self.network.contexts[loop.world])
        if not by_client:
            context = self.network.contexts[self.process]
            loop.call_later(self.network.delay_s(), self.transport.end, context=context)


class ClientTransport(asyncio.Transport):
    """What asyncio's streams write to and are fed by."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._closing = False
        self.link: Link

    def deliver(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def end(self, error: Exception | None = None) -> None:
        if not self._closing:
            self._closing = True
            self._protocol.connection_lost(error)

    def write(self, data: Any) -> None:
        if not self._closing:
            self.link.carry("in", bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self.link.end(by_client=True)
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


class Listening:
    """What a program gets that listens: nobody connects to it. It is its own socket."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return self._address

    def dup(self) -> Listening:
        return self

    def listen(self, backlog: int) -> None:
        del backlog

    def close(self) -> None:
        return None

    async def wait_closed(self) -> None:
        return None

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Network:
    """Listeners by address, links, and which process cannot reach which listener now."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        loop.network = self
        self.listeners: dict[tuple[str, int], Listener] = {}
        self.links: dict[Link, None] = {}  # in the order in which they were made
        self.cuts: set[tuple[str, str]] = set()
        self.slowest_s = _SLOW_S
        self._last_port = 20_000
        self.contexts: dict[Process, Any] = {loop.world: loop.context_of(loop.world)}

    def delay_s(self) -> float:
        """Mostly quick, now and then slow."""
        dice = self.loop.dice
        return dice.uniform(_QUICK_S, self.slowest_s if dice.random() < 0.1 else 10 * _QUICK_S)

    async def connect(self, factory: Callable[[], Any], host: str, port: int) -> tuple[ClientTransport, Any]:
        """As `create_connection`; a listener behind a cut does not answer."""
        process = current_process() or self.loop.world
        self.contexts.setdefault(process, self.loop.context_of(process))
        await asyncio.sleep(self.delay_s())
        listener = self.listeners.get((host, port))
        while listener is not None and (process.name, listener.name) in self.cuts:
            await asyncio.sleep(0.05)
        if listener is None or not listener.listening:
            raise ConnectionRefusedError(111, f"Connect call failed ({host!r}, {port})")
        protocol = factory()
        transport = ClientTransport(protocol)
        link = transport.link = Link(self, process, listener, transport)
        self.links[link] = None
        protocol.connection_made(transport)
        link.served = listener.accept(link)
        return transport, protocol

    def listen(self, host: str, port: int) -> Listening:
        """As `create_server`; any free port where it is 0."""
        self._last_port += 1
        return Listening(host, port or self._last_port)

    def cut(self, process: Process, listener: Listener) -> None:
        """Neither hears the other."""
        self.cuts.add((process.name, listener.name))

    def mend(self) -> None:
        """Every process reaches every listener."""
        self.cuts.clear()
        for link in list(self.links):
            link.mended()

    def process_ended(self, process: Process, *, host_lost: bool = False) -> None:
        """Its sockets are closed by its system, or, where the machine is lost, by nobody."""
        for link in [each for each in self.links if each.process is process]:
            link.host_lost = host_lost
            if not host_lost:
                link.end(by_client=True)
