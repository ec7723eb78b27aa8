"""What a question can come to, in one class that says whether to ask again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from marketprism_application.contracts.failures import AnswerError, Code, Consequence, client_code, consequence_of
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import NotActive, PayloadTooLarge, RemoteError, reason_of

_NEAREST = re.compile(r"; the nearest: (.+)$")


class QueryFailed(Exception):
    """The read side could not answer.

    `code` is INVALID_PARAMETER, UNKNOWN_SYMBOL, RESPONSE_TOO_LARGE (ask for fewer rows or columns), STORE_ERROR,
    UNAVAILABLE (whoever has the store open is away or overloaded: ask again) or INTERNAL.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code: str = code

    @property
    def consequence(self) -> Consequence:
        """What the code means to who is answered: the status of HTTP, the exit code of a command."""
        return consequence_of(self.code)


class UnknownSymbol(QueryFailed):
    """No instrument of that name is known; `nearest` has the names that may have been meant."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.UNKNOWN_SYMBOL, message)
        found = _NEAREST.search(message)
        self.nearest: tuple[str, ...] = tuple(found[1].split(", ")) if found is not None else ()


class UnknownVenue(QueryFailed):
    """No venue of that name is known; `nearest` has the names that may have been meant."""

    def __init__(self, message: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(Code.INVALID_PARAMETER, message)
        self.nearest: tuple[str, ...] = tuple(nearest)


def _failed(code: str, message: str) -> QueryFailed:
    return UnknownSymbol(message) if code == Code.UNKNOWN_SYMBOL else QueryFailed(code, message)


@contextmanager
def query_failures() -> Iterator[None]:
    """Turn what the read side answered instead of data into QueryFailed. That nobody answered is raised as it is."""
    try:
        yield
    except AnswerError as error:
        raise _failed(client_code(error.failure.code), error.failure.message) from error
    except NotActive as error:
        raise QueryFailed(client_code(Code.NOT_ACTIVE), reason_of(error)) from error
    except PayloadTooLarge as error:
        text = f"limit: expected fewer rows, or fewer columns (fields): {error}"
        raise QueryFailed(Code.RESPONSE_TOO_LARGE, text) from error
    except RemoteError as error:
        raise _failed(client_code(error.code), error.message) from error
    except InvalidValue as error:
        raise QueryFailed(Code.INVALID_PARAMETER, str(error)) from error
