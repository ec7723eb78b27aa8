"""What a port may raise; `retryable` decides between trying again and stopping.

ApplicationError
├── SourceError      a source is missing, malformed or away
├── StoreError       the store is away, cannot do it as things stand, or a limit was exceeded
│   ├── SchemaError  the tables are not for this program: another one has to do the work
│   └── RowError     a row that no table can take, whenever it is tried
├── EmbeddedServerError  the nats-server of this machine's own does not run
├── LocalServerError     the ClickHouse of this machine's own does not run
├── DataDirError     the data directory cannot be written
└── QueryError       a question that cannot be answered as asked (the caller's mistake)
    └── UnknownSymbolError  nothing is stored of the instrument
"""

from __future__ import annotations


class ApplicationError(Exception):
    """Root; `retryable` is False unless said otherwise."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class SourceError(ApplicationError):
    """A source cannot deliver; `refused` when it did not let us in: the same words must not be said again."""

    def __init__(self, message: str, *, retryable: bool = False, refused: bool = False) -> None:
        super().__init__(message, retryable=retryable)
        self.refused = refused


class StoreError(ApplicationError):
    """A store cannot do what was asked. `code` is the engine's own number of the error, 0 where it gave none."""

    def __init__(self, message: str, *, retryable: bool = False, code: int = 0) -> None:
        super().__init__(message, retryable=retryable)
        self.code = code


class RowError(StoreError):
    """What a row holds is refused. A writer sets it aside; every other StoreError is of the store and passes."""


class SchemaError(StoreError):
    """The tables are newer than this program, or a migration was altered after it was applied."""


class EmbeddedServerError(ApplicationError):
    """No nats-server of this machine's own could be started, or it ended."""


class LocalServerError(ApplicationError):
    """No ClickHouse of this machine's own could be started, or it ended."""


class DataDirError(ApplicationError):
    """The data directory cannot be written; the text names it."""


class QueryError(ApplicationError):
    """A query's parameter is wrong; the text names it, what was expected and what it was."""


class UnknownSymbolError(QueryError):
    """Nothing is stored of an instrument that is asked for."""
