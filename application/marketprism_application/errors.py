"""What a port may raise; `retryable` decides between trying again and stopping.

ApplicationError
├── SourceError      a source is missing, malformed or away
├── StoreError       the store refused, is away, or a limit was exceeded
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
    """A store cannot do what was asked."""


class QueryError(ApplicationError):
    """A query's parameter is wrong; the text names it, what was expected and what it was."""


class UnknownSymbolError(QueryError):
    """Nothing is stored of an instrument that is asked for."""
