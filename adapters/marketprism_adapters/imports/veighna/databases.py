"""Rows out of a database of VeighNa, whichever it is: SQLite, MySQL (MariaDB), PostgreSQL; streamed, never written.

A server gives every cell as the text that it would print: numbers come as their shortest exact decimals, and a time
that no program could hold is refused with its row, not by a driver.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple, Protocol

from marketprism_adapters.imports.veighna.servers import MySqlServer, PostgresServer
from marketprism_adapters.imports.veighna.settings import DatabasePlace
from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

Row = Sequence[object]
BLOCK_ROWS = 1 << 14


class Select(NamedTuple):
    """Rows of one table: which columns, of which series (column and value), in which order, how many (0: all)."""

    table: str
    columns: Sequence[str]
    where: Mapping[str, str]
    order: str = ""
    limit: int = 0
    distinct: bool = False


class Database(Protocol):
    """A database that is read.

    Raises (everywhere):
        SourceError: it cannot be reached or read.
    """

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Columns by table, in their order."""
        ...

    def blocks(self, select: Select) -> Iterator[Sequence[Row]]:
        """Rows, block by block, through one cursor of the server."""
        ...


class SqliteFile:
    """A database in a file, opened for reading alone."""

    def __init__(self, place: DatabasePlace) -> None:
        self._place = place

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Columns by table, in their order."""
        with self._reading() as connection:
            names = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                name: tuple(str(row[1]) for row in connection.execute(f"PRAGMA table_info({_quoted(name)})"))
                for name in names
            }

    def blocks(self, select: Select) -> Iterator[Sequence[Row]]:
        """Rows, block by block."""
        with self._reading() as connection:
            cursor = connection.execute(statement(select, _quoted, _quoted, "?"), tuple(select.where.values()))
            while rows := cursor.fetchmany(BLOCK_ROWS):
                yield rows

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            address = f"file:{self._place.path.resolve().as_posix()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise SourceError(f"{self._place}: expected a whole database: {reason_of(error)}") from error


class ServerDatabase:
    """A database of a server."""

    def __init__(self, server: MySqlServer | PostgresServer) -> None:
        self._server = server

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Columns by table, in their order."""
        found: dict[str, tuple[str, ...]] = {}
        for rows in self._server.blocks(self._server.COLUMNS, (), BLOCK_ROWS):
            for table, column in rows:
                found[str(table)] = (*found.get(str(table), ()), str(column))
        return found

    def blocks(self, select: Select) -> Iterator[Sequence[Row]]:
        """Rows, block by block, through one cursor of the server."""
        server = self._server
        query = statement(select, server.quoted, server.as_text, "%s")
        yield from server.blocks(query, tuple(select.where.values()), BLOCK_ROWS)


def opened(place: DatabasePlace) -> Database:
    """A database by where it is."""
    if place.engine == "sqlite":
        return SqliteFile(place)
    return ServerDatabase(MySqlServer(place) if place.engine == "mysql" else PostgresServer(place))


class _Quoting(Protocol):
    def __call__(self, name: str, /) -> str: ...


def statement(select: Select, quoted: _Quoting, cell: _Quoting, mark: str) -> str:
    """SQL of a question: names are quoted, values are marks."""
    columns = ", ".join(cell(name) for name in select.columns)
    query = f"SELECT {'DISTINCT ' if select.distinct else ''}{columns} FROM {quoted(select.table)}"  # noqa: S608 (names are quoted)
    if select.where:
        query += " WHERE " + " AND ".join(f"{quoted(name)} = {mark}" for name in select.where)
    if select.order:
        query += f" ORDER BY {quoted(select.order)}"
    return query + (f" LIMIT {select.limit}" if select.limit else "")


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


__all__ = ["Database", "Row", "Select", "ServerDatabase", "SqliteFile", "opened", "statement"]
