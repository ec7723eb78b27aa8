"""What is attacked: a nats-server, services in processes of their own, users and keys; and sockets without a library."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from marketprism_adapters.identity.shown_once import new_api_key
from marketprism_adapters.nats.access_store import NatsAccessStore
from marketprism_application.contracts.access_records import ApiKey, User
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import die_with_parent

_PROGRAM = Path(__file__).with_name("program.py")
ROOT = Path(__file__).parents[3]
ME = "/api/v1/me"


class Process:
    """A service in a process of its own, started when it is made; `wait` until it answers."""

    def __init__(self, name: str, nats_url: str, log: Path, form: str = "json", **settings: Any) -> None:
        given = {"auth": "on", **settings}
        self.log = log
        path = os.pathsep.join((*sys.path, str(ROOT)))
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), name, nats_url, form, json.dumps(given)],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": path},
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, no locks taken)
            )
        self.port = 0
        self.instance = ""

    def wait(self) -> Process:
        """Until it answers, which it says in a line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()[-2_000:]
        found = json.loads(line)
        self.port, self.instance = found["port"], found["instance"]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Whatever it is doing."""
        if self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def resident_mb(self) -> float:
        """Memory of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def descriptors(self) -> int:
        """Open files of the process."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Access:
    """Writes users and keys where every gateway finds them."""

    def __init__(self, store: NatsAccessStore) -> None:
        self.store = store

    async def user(self, *roles: str, **more: Any) -> User:
        """A new user."""
        user = User(id=f"u{secrets.token_hex(4)}", roles=roles, **more)
        await self.store.write(user, 0)
        return user

    async def key(self, *roles: str, **more: Any) -> str:
        """A new key of a new user, in full."""
        owner = await self.user(*roles)
        secret = new_api_key()
        await self.store.write(ApiKey(id=secret.id, owner=owner.id, digest=secret.digest, **more), 0)
        return secret.text


@contextlib.asynccontextmanager
async def access_at(nats_url: str) -> AsyncIterator[Access]:
    """Users and keys can be written."""
    connection = await NatsConnection.open(nats_url, name="access")
    store = NatsAccessStore(connection)
    await store.start()
    yield Access(store)
    await store.stop()
    await connection.close()


async def keys_at(nats_url: str, **limits: str) -> list[str]:
    """A key for each role, with its class of limits."""
    async with access_at(nats_url) as access:
        return [await access.key(role, limits=name, ts_used=2**62) for role, name in limits.items()]


class Answer(NamedTuple):
    """One answer, read without a library."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error; empty where it is none."""
        found = json.loads(self.body) if self.body[:1] == b"{" else {}
        return str(found.get("error", {}).get("code", ""))


class Line:
    """A connection on which anything may be sent. `address` is what it comes from."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int, address: str = "127.0.0.1", receive_bytes: int = 0) -> Line:
        """Connect; `receive_bytes` is how little the kernel takes for it."""
        made = socket.socket()
        made.setblocking(False)
        if receive_bytes:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        made.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=made, limit=1_024 if receive_bytes else 2**20))

    async def send(self, data: bytes | str) -> None:
        """All of it; a connection that was closed meanwhile is no error here."""
        self.writer.write(data if isinstance(data, bytes) else data.encode())
        try:
            await self.writer.drain()
        except ConnectionError:
            return

    async def answer(self, within_s: float = 20.0) -> Answer:
        """The next answer, its body by Content-Length."""
        async with asyncio.timeout(within_s):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split(" ")[1]), headers, body)

    async def rest(self, within_s: float = 20.0) -> bytes:
        """All that comes until the other side closes."""
        async with asyncio.timeout(within_s):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""

    async def close(self) -> None:
        """At once."""
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def request(
    path: str = ME, key: str = "", method: str = "GET", lines: Iterable[str] = (), host: str = "127.0.0.1"
) -> str:
    """The head of a request."""
    shown = [f"X-API-Key: {key}"] if key else []
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *shown, *lines, "", ""))


async def asked(port: int, data: bytes | str, address: str = "127.0.0.1") -> Answer:
    """The answer to what is sent on a connection of its own."""
    line = await Line.open(port, address)
    try:
        await line.send(data)
        return await line.answer()
    finally:
        await line.close()


class Bystander:
    """Somebody who asks all the while, and has to be answered; `slowest_s` is how long it took."""

    def __init__(self, process: Process, key: str, pause_s: float = 0.03) -> None:
        self._process, self._request, self._pause_s = process, request(key=key), pause_s
        self.took_s: list[float] = []
        self.others: list[Answer] = []

    async def __aenter__(self) -> Bystander:
        self._task = asyncio.create_task(self._go())
        return self

    async def __aexit__(self, *_: object) -> None:
        before = len(self.took_s)
        while len(self.took_s) == before and not self._task.done():  # once more, after all that was done
            await asyncio.sleep(0.01)
        self._task.cancel()
        found = await asyncio.gather(self._task, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError), found
        assert self.others == [], self.others[:3]

    async def _go(self) -> None:
        while True:
            started = time.perf_counter()
            found = await asked(self._process.port, self._request, "127.0.0.9")
            self.took_s.append(time.perf_counter() - started)
            if found.status != 200:
                self.others.append(found)
            await asyncio.sleep(self._pause_s)

    @property
    def p99_s(self) -> float:
        """Of a hundred answers the slowest but one."""
        ordered = sorted(self.took_s)
        return ordered[max(0, int(len(ordered) * 0.99) - 1)]
