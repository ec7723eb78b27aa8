"""The engine: one session, one thread, errors translated in one place."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from marketprism_adapters.clickhouse.sql.arrow import load_arrow
from marketprism_adapters.clickhouse.sql.columns import arrow_stream
from marketprism_adapters.clickhouse.sql.engine_errors import store_error
from marketprism_adapters.clickhouse.sql.schema import Insert
from marketprism_application.errors import StoreError
from marketprism_sdk.errors import reason_of

if TYPE_CHECKING:
    import pyarrow as pa

_CONFIG = Path(__file__).with_name("embedded.xml")
# The library takes what is behind the question mark apart; where this package lies in such a folder it goes without.
_OPTIONS = "" if {"?", "&", "="} & set(str(_CONFIG)) else f"?config-file={_CONFIG}"


class _Session(Protocol):
    """A session of the library."""

    def query(self, statement: str, form: str) -> object: ...


class ChdbEngine:
    """Opens a database directory; only one process can at a time.

    Raises (everywhere):
        StoreError: with a text that says what is in the way.
    """

    reads_arrow: ClassVar[bool] = True

    def __init__(self, session: Any, executor: ThreadPoolExecutor) -> None:
        self._session = session
        self._executor = executor

    @classmethod
    async def open(cls, path: Path | None) -> ChdbEngine:
        """Open a directory, made if it is not there; None keeps everything in memory."""
        executor = ThreadPoolExecutor(1, thread_name_prefix="chdb")
        opening = asyncio.get_running_loop().run_in_executor(executor, _open, path)
        try:
            session = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(lambda done: _abandon(done, executor))
            raise
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(session, executor)

    @staticmethod
    async def preload() -> None:
        """Load the library now: that holds everything else in the process up for a second, once."""
        await asyncio.to_thread(_load)

    async def execute(self, statement: str, params: dict[str, Any] | None = None) -> None:
        """Run a statement without a result."""
        await self._run(_query, statement, "Null", params)

    async def insert(self, what: Insert, rows: pa.Table) -> None:
        """Run an INSERT … FROM Python(rows), or of a file of rows that go in as they are, which costs less."""
        if what.as_it_is:
            await self._run(_insert_stored, what, rows)
        else:
            await self._run(_insert, what.statement("Python(rows)"), rows)

    async def insert_encoded(self, what: Insert, rows: bytes) -> None:
        """Run an INSERT … FROM file(…) of MessagePack values; the library takes bytes by a file only."""
        await self._run(_insert_encoded, what, rows)

    async def fetch(self, statement: str, params: dict[str, Any] | None = None) -> pa.Table:
        """Result of a statement as an Arrow table."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        data = await self._run(_query, statement, "ArrowStream", params)
        return pa.ipc.open_stream(data).read_all()

    async def _run(self, work: Any, *arguments: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._session, *arguments)
        except StoreError:
            raise
        except Exception as error:  # the library raises classes of several modules
            raise store_error(reason_of(error)) from error

    async def close(self) -> None:
        """Close the session, behind what it is doing; the directory is free afterwards."""
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._session.close)
        self._executor.shutdown(wait=False)
        await asyncio.shield(closing)  # also where nobody waits any longer


def _load() -> Any:
    load_arrow()  # answers are its tables, and this runs beside the loop
    try:
        from chdb import session  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise StoreError("the embedded store needs chDB: install marketprism[embedded]") from error
    return session


def _open(path: Path | None) -> Any:
    session = _load()
    if path is None:
        return session.Session()
    if "?" in str(path):  # the library would take what is behind it for parameters, and write elsewhere
        raise StoreError(f"store {path}: expected a folder without a question mark in its name")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"store {path}: expected a writable directory: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise StoreError(f"store {path}: expected a writable directory")
    try:
        return session.Session(f"{path}{_OPTIONS}")
    except Exception as error:
        raise StoreError(
            f"store {path}: expected a database that no other process has open: {reason_of(error)}", retryable=True
        ) from error


def _abandon(opened: asyncio.Future[Any], executor: ThreadPoolExecutor) -> None:
    """Nobody waits for it any more: the directory must not stay taken."""
    if not opened.cancelled() and opened.exception() is None:
        executor.submit(opened.result().close)
    executor.shutdown(wait=False)


def _query(session: Any, statement: str, form: str, params: dict[str, Any] | None) -> bytes:
    try:
        result = session.query(statement, form, params=params or {})
    except Exception:
        # Behind a statement that failed while it ran, the library answers the next one with no rows, and no error.
        with contextlib.suppress(Exception):
            session.query("SELECT 1", "Null")
        raise
    data: bytes = result.bytes() if form != "Null" else b""
    return data


def _insert(session: _Session, statement: str, rows: pa.Table) -> None:  # noqa: ARG001 (the engine reads it by its name)
    session.query(statement, "Null")


def _insert_stored(session: _Session, what: Insert, rows: pa.Table) -> None:
    with tempfile.NamedTemporaryFile(prefix="marketprism-", suffix=".arrow") as file:
        file.write(arrow_stream(rows))
        file.flush()
        session.query(f"{what.into} FROM INFILE '{file.name}' {what.settings} FORMAT ArrowStream", "Null")


def _insert_encoded(session: _Session, what: Insert, rows: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="marketprism-", suffix=".msgpack") as file:
        file.write(rows)
        file.flush()
        session.query(what.statement(f"file('{file.name}', 'MsgPack', '{what.structure}')"), "Null")
