"""A ClickHouse server of one's own, for one machine: a `clickhouse` binary, or the shared library that npm carries.

The library is fetched once into the user's cache directory. It is the server's own code with listeners, so native and
HTTP clients see the real thing; its tables are MergeTree below the data directory and survive a kill.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from marketprism_adapters.clickhouse.engine import ClickHouseEngine
from marketprism_application.errors import ApplicationError, StoreError
from marketprism_sdk.lifecycle import die_with_parent

PACKAGE = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
_START_S = 60.0
_FETCH_S = 600.0
_QUERY = (
    "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; SELECT sleepEachRow(1) FROM numbers(1000000) "
    "SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=100000000000 FORMAT Null"
)
_LAUNCH = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
arguments = [b"clickhouse", *(text.encode() for text in sys.argv[2:])]
library.chdb_query_cmdline(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
"""


class LocalServerError(ApplicationError):
    """The local ClickHouse server cannot run; the text says why."""


@dataclass(frozen=True)
class LocalOptions:
    """Where it keeps its data, where it listens, and a configuration file (users, clusters) where there is one."""

    data_dir: Path
    http_port: int
    tcp_port: int
    config: Path | None = None


class LocalClickHouse:
    """A running server and its URL."""

    def __init__(self, process: subprocess.Popen[bytes], options: LocalOptions) -> None:
        self.process = process
        self.options = options

    @property
    def url(self) -> str:
        """Where HTTP clients connect."""
        return f"http://127.0.0.1:{self.options.http_port}"

    @classmethod
    async def start(cls, options: LocalOptions) -> LocalClickHouse:
        """Start it, fetching the library first where it is needed, and wait until it answers.

        Raises:
            LocalServerError: there is no binary and no library can be fetched, or it does not answer.
        """
        program = await asyncio.to_thread(_program)
        listen = [
            "--listen_host", "127.0.0.1", "--tcp_port", str(options.tcp_port), "--http_port", str(options.http_port),
        ]  # fmt: skip
        if options.config is not None:
            listen += ["--config-file", str(options.config)]
        await asyncio.to_thread(lambda: options.data_dir.mkdir(parents=True, exist_ok=True))
        process = subprocess.Popen(  # noqa: S603, ASYNC220 (our own command; starting it takes a millisecond)
            [*program, *listen, "--path", str(options.data_dir), "--query", _QUERY],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call, no locks taken)
        )
        server = cls(process, options)
        try:
            await server._wait_ready()
        except BaseException:
            await server.stop()
            raise
        return server

    async def _wait_ready(self) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise LocalServerError(f"ClickHouse ended with code {self.process.returncode} at its start")
            try:
                engine = await ClickHouseEngine.open(self.url, timeout_s=2)
            except StoreError:
                await asyncio.sleep(0.1)
                continue
            await engine.close()
            return
        raise LocalServerError(f"ClickHouse at {self.url} did not answer within {_START_S:g} s")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Ask it to end, and end it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(timeout_s):
                    await asyncio.to_thread(self.process.wait)
            except TimeoutError:
                self.kill()
                await asyncio.to_thread(self.process.wait)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()


def _program() -> list[str]:
    binary = shutil.which("clickhouse")
    if binary:
        return [binary, "local"]
    return [sys.executable, "-S", "-c", _LAUNCH, str(_library())]


def cache_dir() -> Path:
    """Where the library is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "marketprism" / PACKAGE.rsplit("@", 1)[1]


def _library() -> Path:
    library = cache_dir() / "libchdb.so"
    if library.exists():
        return library
    npm = shutil.which("npm")
    if npm is None or sys.platform != "linux":
        raise LocalServerError(
            "ClickHouse: expected a clickhouse binary on PATH, a server at store.url, or npm to fetch its library with"
        )
    cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        try:
            subprocess.run(  # noqa: S603 (npm, with a fixed package)
                [npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=_FETCH_S
            )
            (packed,) = Path(folder).glob("*.tgz")
            with tarfile.open(packed) as archive:
                archive.extract("package/libchdb.so", folder, filter="data")
        except (OSError, subprocess.SubprocessError, ValueError, tarfile.TarError, KeyError) as error:
            raise LocalServerError(f"ClickHouse: {PACKAGE} could not be fetched: {error}") from error
        # Two that fetch at once both bring the same file; the move is atomic.
        (Path(folder) / "package" / "libchdb.so").replace(library)
    return library
