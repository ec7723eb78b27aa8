"""A ClickHouse server of one's own, for one machine: a `clickhouse` binary, or the shared library that npm carries.

The library is fetched once into the user's cache directory. It is the server's own code with listeners, so native and
HTTP clients see the real thing; its tables are MergeTree below the data directory and survive a kill. Without a
configuration of the caller's it has users with passwords, who may touch the database `market` alone (see `access`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog

from marketprism_adapters.clickhouse import access
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_application.errors import LocalServerError, StoreError
from marketprism_sdk.errors import reason_of
from marketprism_sdk.private_files import private_folder
from marketprism_sdk.service import die_with_parent, end_process
from marketprism_sdk.urls import Url

log = structlog.get_logger()

PACKAGE = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
# Of its `libchdb.so`. It runs as this user: nothing else is loaded in its place, wherever it came from.
SHA256 = "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5"
_MEGABYTES = 165  # that travel
_START_S = 60.0
_FETCH_S = 600.0
_PROBE_S = 5.0
_QUERY = (
    "SYSTEM START LISTEN HTTP; SELECT sleepEachRow(1) FROM numbers(1000000) "
    "SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=100000000000 FORMAT Null"
)
_LAUNCH = """
import ctypes, os, sys
library = ctypes.CDLL(sys.argv[1])
arguments = [b"clickhouse", *map(os.fsencode, sys.argv[2:])]
library.chdb_query_cmdline(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
"""


@dataclass(frozen=True)
class LocalOptions:
    """Where it keeps its data, where it listens, and a configuration file (users, clusters) where there is one.

    The native port is opened with a configuration file, or where `native` asks for it: there is no way to keep the user
    `default`, who has no password, from it. Without a configuration file he may open and close ports, and nothing else;
    and the library ends itself behind a login that it refused there. So it is for tests and measurements.
    `files_at` is the host:port of an S3-compatible store whose files the writer may read and write.
    """

    data_dir: Path
    http_port: int
    tcp_port: int
    config: Path | None = None
    native: bool = False
    files_at: str = ""


class LocalClickHouse:
    """A server, its process and its URLs. `start` makes one that runs."""

    name = "ClickHouse"
    stays_stuck = False

    def __init__(self, options: LocalOptions, program: list[str], passwords: access.Passwords | None) -> None:
        self.options = options
        self.process: subprocess.Popen[bytes]
        self._program = program
        self._passwords = passwords

    @property
    def folder(self) -> Path:
        """Where its data is."""
        return self.options.data_dir

    @property
    def passwords_file(self) -> Path | None:
        """Where the passwords of its users are; None where the caller brought users of his own."""
        return None if self._passwords is None else _access_of(self.options) / "passwords.json"

    @property
    def bare_url(self) -> str:
        """Where HTTP clients connect, without a user."""
        return f"http://127.0.0.1:{self.options.http_port}"

    @property
    def url(self) -> Url:
        """Where the writer connects."""
        return self._url_of(access.WRITER, self._passwords.writer if self._passwords else "")

    @property
    def read_url(self) -> Url:
        """Where readers connect: as a user who changes nothing."""
        return self._url_of(access.READER, self._passwords.reader if self._passwords else "")

    @property
    def native_url(self) -> Url:
        """Where the writer connects by the native protocol, where that port is open."""
        secret = self._passwords.writer if self._passwords else ""
        return self._url_of(access.WRITER, secret, "clickhouse", self.options.tcp_port)

    def _url_of(self, user: str, password: str, scheme: str = "http", port: int = 0) -> Url:
        who = f"{user}:{password}@" if password else ""
        return Url(f"{scheme}://{who}127.0.0.1:{port or self.options.http_port}")

    @classmethod
    async def start(cls, options: LocalOptions) -> LocalClickHouse:
        """Start it, fetching the library first where it is needed, and wait until it answers.

        Raises:
            LocalServerError: there is no binary and no library can be fetched, its folder cannot be written, or it does
                not answer.
        """
        program = await asyncio.to_thread(server_program)
        try:
            config, passwords = await asyncio.to_thread(_prepare, options)
        except OSError as error:
            raise LocalServerError(
                f"data directory {options.data_dir}: expected a writable directory: {error.strerror}"
            ) from error
        listen = ["--listen_host", "127.0.0.1", "--http_port", str(options.http_port), "--config-file", str(config)]
        query = _QUERY
        if passwords is None or options.native:
            listen += ["--tcp_port", str(options.tcp_port)]
            query = f"SYSTEM START LISTEN TCP; {_QUERY}"
        command = [*program, *listen, "--path", str(options.data_dir), "--query", query]
        server = cls(options, command, passwords)
        await server._launch()
        return server

    async def _launch(self) -> None:
        with await asyncio.to_thread(_log_of(self.options).open, "wb") as words:
            self.process = subprocess.Popen(  # noqa: S603, ASYNC220 (our own command; starting it takes a millisecond)
                self._program,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
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
            LocalServerError: it ended at once, or does not answer.
        """
        await self.stop()
        try:
            await self._launch()
        except OSError as error:
            raise LocalServerError(f"ClickHouse in {self.folder}: {error.strerror}") from error

    @property
    def ended(self) -> int | None:
        """Exit code of a process that is no more, None while it runs."""
        return self.process.poll()

    async def probe(self) -> None:
        """Ask it something.

        Raises:
            StoreError: no answer within some seconds, or a refusal.
        """
        engine = await ClickHouseEngine.open(self.url, timeout_s=_PROBE_S)
        await engine.close()

    def write_error(self) -> str:
        """It goes on by itself when there is room again: nothing that a restart would mend."""
        return ""

    async def _wait_ready(self) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                why = await asyncio.to_thread(self._last_words)
                raise LocalServerError(f"ClickHouse ended with code {self.process.returncode} at its start: {why}")
            try:
                engine = await ClickHouseEngine.open(self.url, timeout_s=2)
            except StoreError:
                await asyncio.sleep(0.1)
                continue
            await engine.close()
            return
        raise LocalServerError(f"ClickHouse at {self.url} did not answer within {_START_S:g} s")

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = _log_of(self.options).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return next((line for line in lines if "Exception" in line), lines[-1] if lines else "it said nothing")
        return "it said nothing"

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Ask it to end, and end it if it does not."""
        await end_process(self.process, timeout_s)

    def kill(self) -> None:
        """End the process at once by SIGKILL, without waiting for it."""
        self.process.kill()


def _access_of(options: LocalOptions) -> Path:
    return options.data_dir / "access"


def _log_of(options: LocalOptions) -> Path:
    return _access_of(options) / "server.log"


def _prepare(options: LocalOptions) -> tuple[Path, access.Passwords | None]:
    """Folders, configuration and passwords."""
    private_folder(options.data_dir)
    if options.config is not None:
        private_folder(_access_of(options))
        return options.config, None
    return access.prepare(_access_of(options), options.files_at)


def server_program() -> list[str]:
    """What a server is started with, its arguments come behind it; the library is fetched where it is needed.

    Raises:
        LocalServerError: there is no binary, and no library can be fetched or loaded.
    """
    binary = shutil.which("clickhouse")
    if binary:
        return [binary, "local"]
    return [sys.executable, "-S", "-c", _LAUNCH, str(_library())]


def cache_dir() -> Path:
    """Where the library is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    if not base:
        try:
            base = str(Path.home() / ".cache")
        except RuntimeError as error:
            raise LocalServerError(
                "ClickHouse: expected a home directory or XDG_CACHE_HOME, there is neither"
            ) from error
    return Path(base) / "marketprism" / PACKAGE.rsplit("@", 1)[1]


def checked_library(path: Path) -> Path:
    """A library that is the one this program was made with; read through once, as long as the file is the same.

    Raises:
        LocalServerError: it is another one, or cannot be read.
    """
    try:
        at = path.stat()
        found = _digest(path, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
    except OSError as error:
        raise LocalServerError(f"ClickHouse: {path}: expected its library: {error.strerror}") from error
    if found != SHA256:
        raise LocalServerError(
            f"ClickHouse: {path}: expected the library with sha256 {SHA256[:16]}…, was {found[:16]}…; it is not "
            "loaded. Delete it, and it is fetched again"
        )
    return path


@cache
def _digest(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _library() -> Path:
    library = cache_dir() / "libchdb.so"
    if library.exists():
        return checked_library(library)
    npm = shutil.which("npm")
    if npm is None or sys.platform != "linux":
        raise LocalServerError(
            "ClickHouse: expected a clickhouse binary on PATH, a server at store.url, or npm to fetch its library with"
        )
    cache_dir().mkdir(parents=True, exist_ok=True)
    log.warning("library.fetching", package=PACKAGE, megabytes=_MEGABYTES, into=str(cache_dir()), detail="this once")
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        try:
            subprocess.run(  # noqa: S603 (npm, with a fixed package)
                [npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=_FETCH_S
            )
            (packed,) = Path(folder).glob("*.tgz")
            with tarfile.open(packed) as archive:
                archive.extract("package/libchdb.so", folder, filter="data")
        except (OSError, subprocess.SubprocessError, ValueError, tarfile.TarError, KeyError) as error:
            raise LocalServerError(f"ClickHouse: {PACKAGE} could not be fetched: {reason_of(error)}") from error
        # Two that fetch at once both bring the same file; the move is atomic.
        checked_library(Path(folder) / "package" / "libchdb.so").replace(library)
    return library
