"""A simulated nats-server: the protocol of a client's connection, core messages, JetStream behind them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.api import JetStream
from tests.simulation.clocks import BEGIN_NS
from tests.simulation.network import Link, Network
from tests.simulation.streams import Incoming
from tests.simulation.subjects import matches, parse_headers

MAX_PAYLOAD = 1_048_576
_TICK_S = 0.25


def _no_stream(_stream: str) -> bool:
    return False


@dataclass(slots=True)
class _Subscription:
    session: Session
    sid: str
    subject: str
    queue: str


class Session:
    """One client's connection at the server."""

    def __init__(self, server: Server, link: Link) -> None:
        self.server, self.link = server, link
        self.subscriptions: dict[str, _Subscription] = {}
        self._buffer = b""
        self._waiting: list[bytes] = []  # what came while the server stood still

    def received(self, data: bytes) -> None:
        """Bytes of the client."""
        if self.server.stalled:
            self._waiting.append(data)
            return
        self._buffer += data
        self._parse()

    def go_on(self) -> None:
        """The server works again."""
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.received(data)

    def lost(self) -> None:
        """The client is gone."""
        self.server.forget(self)

    def send(self, data: bytes) -> None:
        """Bytes to the client."""
        self.link.carry("out", data)

    def _parse(self) -> None:
        while True:
            line, found, rest = self._buffer.partition(b"\r\n")
            if not found:
                return
            verb, _, arguments = line.partition(b" ")
            if verb in (b"PUB", b"HPUB"):
                tokens = arguments.decode().split()
                total = int(tokens[-1])
                if len(rest) < total + 2:
                    return
                self._buffer = rest[total + 2 :]
                heads = int(tokens[-2]) if verb == b"HPUB" else 0
                replies = tokens[1 : -2 if heads else -1]
                self.server.publish(self, tokens[0], replies[0] if replies else "", rest[:heads], rest[heads:total])
                continue
            self._buffer = rest
            self._control(verb.upper(), arguments.decode().split())

    def _control(self, verb: bytes, tokens: list[str]) -> None:
        if verb == b"PING":
            self.send(b"PONG\r\n")
        elif verb == b"SUB":
            made = _Subscription(self, tokens[-1], tokens[0], tokens[1] if len(tokens) == 3 else "")
            self.subscriptions[made.sid] = made
            self.server.listen(made)
        elif verb == b"UNSUB":
            found = self.subscriptions.pop(tokens[0], None)
            if found is not None:
                self.server.unlisten(found)


class Server:
    """One nats-server with its streams. Faults: `stop`, `start`, `stall`, `go_on`, and dice on hints."""

    def __init__(self, network: Network, name: str, host: str, port: int) -> None:
        self.network, self.name, self.host, self.port = network, name, host, port
        self.loop = network.loop
        self.listening = True
        self.stalled = False
        self.cluster = ""  # whose server it is; clients of one look sooner whether their consumers are there
        self.hints_lost = 0.0  # of republished copies
        self.leaderless: Callable[[str], bool] = _no_stream  # has no quorum, or elects its leader
        # What is written is written, and nobody hears of it: a leader that goes away just then.
        self.mute: Callable[[str], bool] = _no_stream
        network.listeners[host, port] = self
        self._exact: dict[str, list[_Subscription]] = {}
        self._patterns: dict[str, list[_Subscription]] = {}  # by what stands before the first wildcard
        self.sessions: dict[Session, None] = {}
        self.jetstream = JetStream(self.deliver, self.loop.time, self.now_ns)
        self.jetstream.keeps_republished = lambda: self.loop.dice.random() >= self.hints_lost
        self._context = network.contexts[self.loop.world]
        self.loop.call_later(_TICK_S, self._tick, context=self._context)

    def now_ns(self) -> int:
        """The server's wall clock."""
        return BEGIN_NS + int(self.loop.now_s * 1e9)

    @property
    def decides(self) -> bool:
        """Whether each stream has its leader, and what that answers is heard."""
        return self.leaderless is self.mute is _no_stream

    def every_stream_decides(self) -> None:
        """Each has its leader again."""
        self.leaderless = self.mute = _no_stream

    def _tick(self) -> None:
        if self.listening and not self.stalled:
            self.jetstream.tick(self.leaderless)
        self.loop.call_later(_TICK_S, self._tick, context=self._context)

    # -- connections -----------------------------------------------------------------------------------------------

    def accept(self, link: Link) -> Session:
        """A client has connected."""
        session = Session(self, link)
        self.sessions[session] = None
        info = {
            "server_id": self.name,
            "server_name": self.name,
            "version": "2.15.1",
            "proto": 1,
            "headers": True,
            "jetstream": True,
            "max_payload": MAX_PAYLOAD,
            "host": self.host,
            "port": self.port,
            **({"cluster": self.cluster} if self.cluster else {}),
        }
        session.send(b"INFO " + json.dumps(info).encode() + b"\r\n")
        return session

    def forget(self, session: Session) -> None:
        """A client's connection has ended."""
        self.sessions.pop(session, None)
        for each in session.subscriptions.values():
            self.unlisten(each)
        session.subscriptions.clear()

    def listen(self, made: _Subscription) -> None:
        """Somebody wants a subject."""
        where, key = self._place_of(made.subject)
        where.setdefault(key, []).append(made)

    def _place_of(self, subject: str) -> tuple[dict[str, list[_Subscription]], str]:
        if "*" not in subject and ">" not in subject:
            return self._exact, subject
        tokens = subject.split(".")
        return self._patterns, ".".join(tokens[: next(i for i, token in enumerate(tokens) if token in ("*", ">"))])

    def unlisten(self, gone: _Subscription) -> None:
        """Somebody wants it no more."""
        where, key = self._place_of(gone.subject)
        if gone in where.get(key, ()):
            where[key].remove(gone)
            if not where[key]:
                del where[key]

    def _listeners(self, route: str) -> list[_Subscription]:
        found = list(self._exact.get(route, ()))
        end = len(route)
        while self._patterns and end > 0:
            end = route.rfind(".", 0, end)
            found += [each for each in self._patterns.get(route[: max(0, end)], ()) if matches(each.subject, route)]
        return found

    # -- messages --------------------------------------------------------------------------------------------------

    def publish(self, session: Session, subject: str, reply: str, raw: bytes, data: bytes) -> None:
        """A client's message."""
        if subject.startswith("$JS.API."):
            # The server answers questions on threads of its own: a message that came later may be taken before.
            pause_s = self.loop.dice.uniform(0, 1e-3) if self.loop.dice.random() < 0.2 else 0.0
            self.loop.call_later(pause_s, self._ask, session, subject, reply, data, context=self._context)
            return
        taken = self.deliver(subject, subject, reply, raw, data)
        stream = self.jetstream.stream_of(subject)
        if stream is not None:
            if not self.leaderless(stream.name):
                headers = parse_headers(raw) if raw else {}
                self.jetstream.take(stream, Incoming(subject, headers, data), "" if self.mute(stream.name) else reply)
        elif not taken and reply:
            self._nobody(session, reply)

    def _ask(self, session: Session, subject: str, reply: str, data: bytes) -> None:
        stream = next((token for token in subject.split(".") if token in self.jetstream.streams), "")
        if not self.listening or self.mute(stream):
            return
        if self.leaderless(stream):
            self.jetstream.ask_member(subject, data, reply, self.loop.dice.random())
            return
        if not self.jetstream.ask(subject, data, reply):
            self._nobody(session, reply)

    def _nobody(self, session: Session, reply: str) -> None:
        for each in session.subscriptions.values():
            if matches(each.subject, reply):
                raw = b"NATS/1.0 503\r\n\r\n"
                session.send(
                    b"HMSG %b %b %d %d\r\n%b\r\n" % (reply.encode(), each.sid.encode(), len(raw), len(raw), raw)
                )
                return

    def deliver(self, route: str, shown: str, reply: str, raw: bytes, data: bytes) -> int:
        """Send a message to whoever listens to `route`; how many they were."""
        groups: dict[str, list[_Subscription]] = {}
        count = 0
        for each in self._listeners(route):
            if each.queue:
                groups.setdefault(each.queue, []).append(each)
            else:
                count += self._give(each, shown, reply, raw, data)
        for members in groups.values():
            count += self._give(self.loop.dice.choice(members), shown, reply, raw, data)
        return count

    def _give(self, to: _Subscription, shown: str, reply: str, raw: bytes, data: bytes) -> int:
        head = f"{shown} {to.sid} {reply} " if reply else f"{shown} {to.sid} "
        line = f"HMSG {head}{len(raw)} {len(raw) + len(data)}\r\n" if raw else f"MSG {head}{len(data)}\r\n"
        to.session.send(b"".join((line.encode(), raw, data, b"\r\n")))
        return 1

    # -- faults ----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """The server ends: every connection is reset; streams on disk stay."""
        self.listening = False
        for session in list(self.sessions):
            session.link.end()
            self.forget(session)
        self.jetstream.lose_memory()

    def start(self) -> None:
        """The server is there again."""
        self.listening = True

    def stall(self) -> None:
        """The server takes no turn: what comes waits."""
        self.stalled = True

    def go_on(self) -> None:
        """The server takes its turns again."""
        self.stalled = False
        for session in list(self.sessions):
            session.go_on()

    def drop(self, session: Session) -> None:
        """Reset one connection."""
        session.link.end()
        self.forget(session)
