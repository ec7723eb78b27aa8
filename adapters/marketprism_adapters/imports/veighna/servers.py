"""MySQL and PostgreSQL, each by its own library: a connection a question, rows through a cursor of the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import ClassVar

from marketprism_adapters.imports.veighna.settings import DatabasePlace
from marketprism_application.errors import SourceError
from marketprism_sdk.errors import reason_of

Rows = Sequence[Sequence[object]]
_REACH_S = 10
_HIDDEN = "***"
# The latter two of a name, a host or a port that no connection can be asked for with.
_NOT_REACHED = (OSError, ValueError, OverflowError)


class MySqlServer:
    """MySQL or MariaDB."""

    COLUMNS: ClassVar[str] = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() "
        "ORDER BY table_name, ordinal_position"
    )

    def __init__(self, place: DatabasePlace) -> None:
        self._place = place

    def blocks(self, query: str, values: Sequence[str], size: int) -> Iterator[Rows]:
        """Rows of a statement, as texts.

        Raises:
            SourceError: the library is not there; the server cannot be reached, or answers something else.
        """
        pymysql, place = _library("pymysql", "mysql", "PyMySQL"), self._place
        texts = {key: each for key, each in pymysql.converters.conversions.items() if not isinstance(key, int)}
        try:
            connection = pymysql.connect(
                host=place.host,
                port=place.port,
                user=place.user or None,
                password=place.password.encode(errors="replace"),  # it takes a text for Latin-1
                database=place.name,
                charset="utf8mb4",
                conv=texts,
                connect_timeout=_REACH_S,
                cursorclass=_library("pymysql.cursors", "mysql", "PyMySQL").SSCursor,
            )
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET SESSION TRANSACTION READ ONLY")
                    cursor.execute(query, values)
                    while rows := cursor.fetchmany(size):
                        yield rows
            finally:
                connection.close()
        except (pymysql.err.Error, *_NOT_REACHED) as error:
            raise _unreadable(place, error) from error

    @staticmethod
    def quoted(name: str) -> str:
        """A name in a statement."""
        escaped = name.replace("`", "``").replace("%", "%%")
        return f"`{escaped}`"

    as_text = quoted  # the library is told to leave every cell as the text that comes


class PostgresServer:
    """PostgreSQL."""

    COLUMNS: ClassVar[str] = (
        "SELECT table_name::text, column_name::text FROM information_schema.columns "
        "WHERE table_schema = ANY(current_schemas(false)) ORDER BY table_name, ordinal_position"
    )

    def __init__(self, place: DatabasePlace) -> None:
        self._place = place

    def blocks(self, query: str, values: Sequence[str], size: int) -> Iterator[Rows]:
        """Rows of a statement, as texts.

        Raises:
            SourceError: the library is not there; the server cannot be reached, or answers something else.
        """
        psycopg, place = _library("psycopg", "postgresql", "psycopg"), self._place
        try:
            connection = psycopg.connect(
                host=place.host,
                port=place.port,
                user=place.user or None,
                password=place.password or None,  # without one, that of ~/.pgpass
                dbname=place.name,
                connect_timeout=_REACH_S,
                options="-c DateStyle=ISO -c extra_float_digits=3 -c default_transaction_read_only=on",
            )
            try:
                with connection, connection.cursor(name="rows") as cursor:
                    cursor.itersize = size
                    cursor.execute(query, values)
                    while rows := cursor.fetchmany(size):
                        yield rows
            finally:
                connection.close()
        except (psycopg.Error, *_NOT_REACHED) as error:
            raise _unreadable(place, error) from error

    @staticmethod
    def quoted(name: str) -> str:
        """A name in a statement."""
        escaped = name.replace('"', '""').replace("%", "%%")
        return f'"{escaped}"'

    @classmethod
    def as_text(cls, name: str) -> str:
        """A column, each cell of it as text."""
        return f"{cls.quoted(name)}::text"


def _unreadable(place: DatabasePlace, error: Exception) -> SourceError:
    reason = " ".join(reason_of(error).split())
    if place.password:
        reason = reason.replace(place.password, _HIDDEN)
    return SourceError(f"{place}: expected a database that can be read: {reason}")


def _library(name: str, extra: str, package: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        text = f"{package}: expected it to be installed: pip install 'marketprism[{extra}]'"
        raise SourceError(text) from error


__all__ = ["MySqlServer", "PostgresServer"]
